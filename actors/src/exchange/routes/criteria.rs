//! What a headers binding asks of a message, read once from its arguments.

use std::{ops::Range, sync::Arc};

use leveret_protocol::{Exception, FieldTable, FieldValue, ReplyCode, ShortString};

use crate::exchange::canonical;

/// The arguments of a headers binding, compiled.
pub(super) struct Criteria {
    /// Whether one criterion is enough.
    pub(super) any: bool,
    /// One criterion a header, sorted by name.
    pub(super) list: Arc<[Criterion]>,
}

/// What one header must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Criterion {
    pub(super) name: ShortString,
    /// The value in the form that ignores widths; `None` when the header need only be there.
    pub(super) value: Option<Box<[u8]>>,
}

impl Criteria {
    /// Arguments that begin with `x-` are criteria only in the `-with-x` modes, `x-match` never. Of a
    /// repeated argument the first counts.
    ///
    /// # Errors
    ///
    /// 406 when `x-match` is not one of the four modes.
    pub(super) fn parse(arguments: &FieldTable) -> Result<Self, Exception> {
        let (any, with_x) = match arguments.get("x-match") {
            None => (false, false),
            Some(FieldValue::LongString(mode)) => match mode.as_ref() {
                b"all" => (false, false),
                b"any" => (true, false),
                b"all-with-x" => (false, true),
                b"any-with-x" => (true, true),
                _ => return Err(unknown_mode(mode)),
            },
            Some(other) => return Err(mode_of_wrong_type(other)),
        };
        let mut list: Vec<Criterion> = arguments
            .iter()
            .filter(|(name, _)| **name != "x-match" && (with_x || !name.starts_with(b"x-")))
            .map(|(name, value)| Criterion::parse(name, value))
            .collect();
        list.sort_by(|one, two| one.name.cmp(&two.name));
        list.dedup_by(|later, first| later.name == first.name);
        Ok(Self {
            any,
            list: list.into(),
        })
    }
}

impl Criterion {
    fn parse(name: &ShortString, value: &FieldValue) -> Self {
        let value = (*value != FieldValue::Void).then(|| {
            let mut form = Vec::new();
            canonical::by_value(value, &mut form);
            form.into_boxed_slice()
        });
        Self {
            name: name.clone(),
            value,
        }
    }

    pub(super) fn holds(&self, message: &Message<'_>) -> bool {
        match (message.get(&self.name), &self.value) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(value), Some(wanted)) => *value == **wanted,
        }
    }
}

/// The headers of one message, each value brought into its comparable form once.
pub(super) struct Message<'h> {
    forms: Vec<u8>,
    /// Sorted by name; of a repeated header the first counts.
    fields: Vec<(&'h ShortString, Range<usize>)>,
}

impl<'h> Message<'h> {
    pub(super) fn read(headers: &'h FieldTable) -> Self {
        let mut forms = Vec::new();
        let mut fields = Vec::with_capacity(headers.len());
        for (name, value) in headers.iter() {
            let start = forms.len();
            canonical::by_value(value, &mut forms);
            fields.push((name, start..forms.len()));
        }
        fields.sort_by_key(|(name, _)| *name);
        fields.dedup_by_key(|(name, _)| *name);
        Self { forms, fields }
    }

    /// Names and comparable values.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&ShortString, &[u8])> {
        self.fields.iter().map(|(name, form)| (*name, self.form(form)))
    }

    fn get(&self, name: &ShortString) -> Option<&[u8]> {
        let at = self.fields.binary_search_by_key(&name, |(name, _)| *name).ok()?;
        self.fields.get(at).map(|(_, form)| self.form(form))
    }

    fn form(&self, range: &Range<usize>) -> &[u8] {
        self.forms.get(range.clone()).unwrap_or_default()
    }
}

fn unknown_mode(mode: &[u8]) -> Exception {
    let mode = String::from_utf8_lossy(mode);
    Exception::new(
        ReplyCode::PreconditionFailed,
        format!("Invalid x-match field value <<\"{mode}\">>; expected all, any, all-with-x, or any-with-x"),
    )
}

fn mode_of_wrong_type(mode: &FieldValue) -> Exception {
    Exception::new(
        ReplyCode::PreconditionFailed,
        format!(
            "Invalid x-match field type {} (value {mode}); expected longstr",
            mode.type_name()
        ),
    )
}

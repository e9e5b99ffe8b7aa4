use leveret_protocol::FieldValue;
use proptest::prelude::*;

use super::*;
use crate::name::Name;

fn selector(text: &str) -> Result<Selector, Exception> {
    let arguments = FieldTable::from_iter([(ARGUMENT, text)]);
    Selector::of(&arguments, &Destination::Queue(Name::from("q")))
}

fn refusal(text: &str) -> String {
    selector(text).map(|_| ()).unwrap_err().reply_text()
}

fn headers() -> FieldTable {
    FieldTable::from_iter([
        ("JMSType", FieldValue::from("car")),
        ("colour", "blue".into()),
        ("quoted", "'blue".into()),
        ("under", "bl_ue".into()),
        ("weight", 2501.into()),
        ("wide", 2501_i64.into()),
        ("small", 0.03_f32.into()),
        ("half", 0.5.into()),
        ("yes", true.into()),
        ("no", false.into()),
        ("list", FieldValue::Array(Vec::new())),
    ])
}

fn selects(text: &str) -> bool {
    selector(text).unwrap().holds(&headers())
}

#[test]
fn a_condition_selects_by_headers() {
    for text in [
        "true.",
        "{ident, <<\"yes\">>}.",
        "{'not', {ident, <<\"no\">>}}.",
        "{'=', {ident, <<\"JMSType\">>}, <<\"car\">>}.",
        "{'=', {ident, <<\"weight\">>}, 2501}.",
        "{'=', {ident, <<\"wide\">>}, {ident, <<\"weight\">>}}.",
        "{'=', 2501.0, {ident, <<\"weight\">>}}.",
        "{'<>', {ident, <<\"colour\">>}, <<\"red\">>}.",
        "{'>', {ident, <<\"weight\">>}, 2500}.",
        "{'<', {ident, <<\"small\">>}, 0.031}.",
        "{'>=', {ident, <<\"weight\">>}, 2501}.",
        "{'<=', 2500.5, {ident, <<\"weight\">>}}.",
        "{'between', {ident, <<\"weight\">>}, {'range', 2501, 2501}}.",
        "{'between', {ident, <<\"weight\">>}, 0, 2501}.",
        "{'not_between', {ident, <<\"weight\">>}, {'range', 0, 2500}}.",
        "{'like', {ident, <<\"colour\">>}, <<\"bl%\">>, no_escape}.",
        "{'like', {ident, <<\"under\">>}, <<\"b_!_ue\">>, <<\"!\">>}.",
        "{'like', {ident, <<\"quoted\">>}, {<<\"'bl%\">>, no_escape}}.",
        "{'not_like', {ident, <<\"colour\">>}, <<\"l%\">>, 'no_escape'}.",
        "{'in', {ident, <<\"colour\">>}, [<<\"green\">>, <<\"blue\">>]}.",
        "{'not_in', {ident, <<\"colour\">>}, []}.",
        "{'is_null', {ident, <<\"missing\">>}}.",
        "{'not_null', {ident, <<\"no\">>}}.",
        "{'=', {'+', {ident, <<\"weight\">>}, 1}, 2502}.",
        "{'=', {'-', {ident, <<\"weight\">>}}, -2501}.",
        "{'=', {'+', {ident, <<\"weight\">>}}, 2501}.",
        "{'=', {'*', {ident, <<\"half\">>}, 4}, 2}.",
        "{'=', {'/', 5, 2}, 2.5}.",
        "{'=', {'-', 5, 2}, 3}.",
        "{'>', {'*', 9223372036854775807, 2}, 9223372036854775807}.",
        "{'and', {'or', false, {ident, <<\"yes\">>}}, {'>', {ident, <<\"weight\">>}, 1}}.",
    ] {
        assert!(selects(text), "{text}");
    }
    for text in [
        "false.",
        "{ident, <<\"no\">>}.",
        "{ident, <<\"colour\">>}.",
        "1.",
        "{'<=', {ident, <<\"weight\">>}, 2500}.",
        "{'>', {ident, <<\"colour\">>}, 5}.",
        "{'=', {ident, <<\"yes\">>}, <<\"true\">>}.",
        "{'like', {ident, <<\"weight\">>}, <<\"25%\">>, no_escape}.",
        "{'in', {ident, <<\"colour\">>}, [<<\"green\">>]}.",
        "{'is_null', {ident, <<\"colour\">>}}.",
        "{'=', {'-', {ident, <<\"colour\">>}}, 1}.",
    ] {
        assert!(!selects(text), "{text}");
    }
}

#[test]
fn what_is_missing_decides_nothing() {
    let missing = "{'=', {ident, <<\"missing\">>}, 1}";
    for text in [
        missing.to_owned(),
        format!("{{'not', {missing}}}"),
        format!("{{'and', true, {missing}}}"),
        format!("{{'or', {missing}, false}}"),
        format!("{{'and', {missing}, false}}"),
        "{'in', {ident, <<\"missing\">>}, [<<\"a\">>]}".to_owned(),
        "{'not_in', {ident, <<\"missing\">>}, [<<\"a\">>]}".to_owned(),
        "{'not_like', {ident, <<\"missing\">>}, <<\"a\">>, no_escape}".to_owned(),
        "{'not_between', {ident, <<\"missing\">>}, {range, 1, 2}}".to_owned(),
        "{'<>', {ident, <<\"list\">>}, 1}".to_owned(),
    ] {
        assert!(!selects(&text), "{text}");
    }
    assert!(selects(&format!("{{'or', {missing}, true}}")));
    assert!(selects(&format!("{{'or', true, {missing}}}")));
    assert!(selects(&format!("{{'not', {{'and', {missing}, false}}}}")));
    assert!(selects(&format!("{{'not', {{'and', false, {missing}}}}}")));
}

#[test]
fn what_is_not_understood_is_refused_with_the_reason() {
    let begin = "PRECONDITION_FAILED - cannot parse selector binding destination 'q': ";
    assert_eq!(
        refusal("{'=', 1}"),
        format!("{begin}'=' takes 2 operands, not 1: \"{{'=', 1}}\"")
    );
    for (text, reason) in [
        ("", "rjms_erlang_selector is no text"),
        ("{", "it is no Erlang term from byte 1 on"),
        ("apply", "'apply' is no value"),
        ("{erlang, halt}", "'erlang' is no operation"),
        ("{1, 2}", "a tuple does not begin with an operation"),
        ("{}", "a tuple does not begin with an operation"),
        ("[1]", "a list stands where a value should"),
        ("{ident, 1}", "'ident' is not followed by the name of a header"),
        ("{in, 1, 2}", "'in' takes a value and a list"),
        (
            "{like, 1, 2, no_escape}",
            "'like' takes a value, a pattern and an escape",
        ),
        (
            "{like, 1, <<\"a\">>, regex}",
            "an escape is 'no_escape' or one character",
        ),
        ("{between, 1, {range, 2}}", "'between' takes 3 operands, not 2"),
    ] {
        assert!(
            refusal(text).starts_with(&format!("{begin}{reason}: ")),
            "{}",
            refusal(text)
        );
    }
    let long = format!("<<\"{}\">>", "x".repeat(LEN_MAX));
    assert!(refusal(&long).contains("it has 16390 bytes, and 16384 are the most"));
    let none = Selector::of(&FieldTable::new(), &Destination::Queue(Name::from("q")));
    assert!(none.is_err());
}

proptest! {
    #[test]
    fn any_text_is_understood_or_refused(text in r#"([{}\[\]<>",.'\\ =*/+-]|[0-9eE]|and|in|ident|like|no_escape|<<"a%">>|\PC){0,40}"#) {
        if let Ok(selector) = selector(&text) {
            selector.holds(&headers());
        }
    }
}

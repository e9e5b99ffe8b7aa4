//! What a term asks for, as a tree.

use super::pattern::Pattern;
use super::term::Term;

/// A condition, or a part of one that has a value.
#[derive(Debug)]
pub(super) enum Condition {
    Truth(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// The header of this name.
    Header(String),
    Not(Box<Condition>),
    Both([Box<Condition>; 2]),
    Either([Box<Condition>; 2]),
    IsNull(Box<Condition>),
    Like(Box<Condition>, Pattern),
    Between([Box<Condition>; 3]),
    In(Box<Condition>, Vec<Condition>),
    Compare(Comparison, [Box<Condition>; 2]),
    Calculate(Calculation, [Box<Condition>; 2]),
    Negative(Box<Condition>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calculation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl TryFrom<Term> for Condition {
    type Error = String;

    fn try_from(term: Term) -> Result<Self, String> {
        match term {
            Term::Integer(number) => Ok(Condition::Integer(number)),
            Term::Float(number) => Ok(Condition::Float(number)),
            Term::Text(text) => Ok(Condition::Text(text)),
            Term::Atom(name) if name == "true" => Ok(Condition::Truth(true)),
            Term::Atom(name) if name == "false" => Ok(Condition::Truth(false)),
            Term::Atom(name) => Err(format!("'{name}' is no value")),
            Term::List(_) => Err("a list stands where a value should".to_owned()),
            Term::Tuple(members) => {
                let mut members = members.into_iter();
                match members.next() {
                    Some(Term::Atom(name)) => operation(&name, members.collect()),
                    _ => Err("a tuple does not begin with an operation".to_owned()),
                }
            }
        }
    }
}

/// The operation of this name on these operands.
fn operation(name: &str, operands: Vec<Term>) -> Result<Condition, String> {
    if let Some(comparison) = comparison(name) {
        return Ok(Condition::Compare(comparison, conditions(name, operands)?));
    }
    match (name, operands.len()) {
        ("ident", _) => header(operands),
        ("and", _) => Ok(Condition::Both(conditions(name, operands)?)),
        ("or", _) => Ok(Condition::Either(conditions(name, operands)?)),
        ("not", _) => Ok(not(one(name, operands)?)),
        ("is_null", _) => Ok(Condition::IsNull(one(name, operands)?)),
        ("not_null", _) => Ok(not(Box::new(Condition::IsNull(one(name, operands)?)))),
        ("like", _) => like(operands),
        ("not_like", _) => Ok(not(Box::new(like(operands)?))),
        ("between", _) => between(operands),
        ("not_between", _) => Ok(not(Box::new(between(operands)?))),
        ("in", _) => among(operands),
        ("not_in", _) => Ok(not(Box::new(among(operands)?))),
        ("+", 1) => Ok(*one(name, operands)?),
        ("-", 1) => Ok(Condition::Negative(one(name, operands)?)),
        _ => match calculation(name) {
            Some(calculation) => Ok(Condition::Calculate(calculation, conditions(name, operands)?)),
            None => Err(format!("'{name}' is no operation")),
        },
    }
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        "=" => Comparison::Equal,
        "<>" => Comparison::Unequal,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn calculation(name: &str) -> Option<Calculation> {
    Some(match name {
        "+" => Calculation::Add,
        "-" => Calculation::Subtract,
        "*" => Calculation::Multiply,
        "/" => Calculation::Divide,
        _ => return None,
    })
}

fn not(condition: Box<Condition>) -> Condition {
    Condition::Not(condition)
}

/// As many operands as the operation wants.
fn conditions<const N: usize>(name: &str, operands: Vec<Term>) -> Result<[Box<Condition>; N], String> {
    let found = operands.len();
    let conditions: Vec<_> = operands
        .into_iter()
        .map(|operand| Condition::try_from(operand).map(Box::new))
        .collect::<Result<_, _>>()?;
    conditions
        .try_into()
        .map_err(|_| format!("'{name}' takes {N} operands, not {found}"))
}

fn one(name: &str, operands: Vec<Term>) -> Result<Box<Condition>, String> {
    conditions(name, operands).map(|[operand]| operand)
}

fn header(operands: Vec<Term>) -> Result<Condition, String> {
    match <[Term; 1]>::try_from(operands) {
        Ok([Term::Text(name)]) => Ok(Condition::Header(name)),
        _ => Err("'ident' is not followed by the name of a header".to_owned()),
    }
}

/// `{like, Value, Pattern, Escape}`; the last two may be a tuple.
fn like(mut operands: Vec<Term>) -> Result<Condition, String> {
    if let Some(Term::Tuple(_)) = operands.get(1).filter(|_| operands.len() == 2)
        && let Some(Term::Tuple(pattern)) = operands.pop()
    {
        operands.extend(pattern);
    }
    match <[Term; 3]>::try_from(operands) {
        Ok([value, Term::Text(pattern), escape]) => {
            let pattern = Pattern::parse(&pattern, escape_of(&escape)?)?;
            Ok(Condition::Like(Box::new(value.try_into()?), pattern))
        }
        _ => Err("'like' takes a value, a pattern and an escape".to_owned()),
    }
}

fn escape_of(escape: &Term) -> Result<Option<char>, String> {
    match escape {
        Term::Atom(name) if name == "no_escape" => Ok(None),
        Term::Text(text) if text.chars().count() == 1 => Ok(text.chars().next()),
        _ => Err("an escape is 'no_escape' or one character".to_owned()),
    }
}

/// `{between, Value, {range, From, To}}`, or without the inner tuple.
fn between(mut operands: Vec<Term>) -> Result<Condition, String> {
    if let Some(Term::Tuple(_)) = operands.get(1).filter(|_| operands.len() == 2)
        && let Some(Term::Tuple(range)) = operands.pop()
    {
        let bounds = range
            .into_iter()
            .filter(|member| *member != Term::Atom("range".to_owned()));
        operands.extend(bounds);
    }
    conditions("between", operands).map(Condition::Between)
}

fn among(operands: Vec<Term>) -> Result<Condition, String> {
    match <[Term; 2]>::try_from(operands) {
        Ok([value, Term::List(members)]) => {
            let members = members.into_iter().map(Condition::try_from);
            Ok(Condition::In(
                Box::new(value.try_into()?),
                members.collect::<Result<_, _>>()?,
            ))
        }
        _ => Err("'in' takes a value and a list".to_owned()),
    }
}

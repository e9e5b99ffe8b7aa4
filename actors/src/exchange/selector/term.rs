//! The text of an Erlang term, as far as selectors use it: atoms, binaries, numbers, tuples and lists.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{escaped_transform, is_not, tag, take_while},
    character::complete::{anychar, char, digit1, multispace0, one_of, satisfy},
    combinator::{all_consuming, cut, map, map_opt, opt, recognize, verify},
    error::{Error, ErrorKind},
    multi::separated_list0,
    sequence::{delimited, pair, preceded},
};

/// How deep tuples and lists may stand in each other.
const DEPTH_MAX: usize = 16;

/// The most digits side by side.
const DIGITS_MAX: usize = 100;

/// An Erlang term.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    Atom(String),
    /// A binary, which is text here.
    Text(String),
    Integer(i64),
    Float(f64),
    Tuple(Vec<Term>),
    List(Vec<Term>),
}

/// Reads one term; the dot that ends one in Erlang may be missing.
///
/// # Errors
///
/// Says where the text stops being a term.
pub(super) fn parse(text: &str) -> Result<Term, String> {
    let end = (multispace0, opt(char('.')), multispace0);
    let whole = all_consuming((|input| term(input, 0), end)).parse(text);
    match whole {
        Ok((_, (term, _))) => Ok(term),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(match error.code {
            ErrorKind::TooLarge => format!("more than {DEPTH_MAX} tuples and lists stand in each other"),
            _ => format!(
                "it is no Erlang term from byte {} on",
                text.len() - error.input.len()
            ),
        }),
        Err(nom::Err::Incomplete(_)) => Err("it is incomplete".to_owned()),
    }
}

fn term(input: &str, depth: usize) -> IResult<&str, Term> {
    if depth > DEPTH_MAX {
        return Err(nom::Err::Failure(Error::new(input, ErrorKind::TooLarge)));
    }
    let within = |input| separated_list0(token(','), |input| term(input, depth + 1)).parse(input);
    preceded(
        multispace0,
        alt((
            map(delimited(char('{'), within, cut(token('}'))), Term::Tuple),
            map(delimited(char('['), within, cut(token(']'))), Term::List),
            map(binary, Term::Text),
            map(atom, Term::Atom),
            number,
        )),
    )
    .parse(input)
}

/// A character that may stand apart.
fn token<'i>(wanted: char) -> impl Parser<&'i str, Output = char, Error = Error<&'i str>> {
    preceded(multispace0, char(wanted))
}

fn binary(input: &str) -> IResult<&str, String> {
    let quoted = delimited(char('"'), characters("\"\\"), char('"'));
    let text = map(opt(preceded(multispace0, quoted)), Option::unwrap_or_default);
    delimited(tag("<<"), text, preceded(multispace0, tag(">>"))).parse(input)
}

fn atom(input: &str) -> IResult<&str, String> {
    let quoted = delimited(char('\''), characters("'\\"), char('\''));
    let rest = take_while(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '@');
    let bare = recognize(pair(satisfy(|c| c.is_ascii_lowercase()), rest));
    alt((quoted, map(bare, str::to_owned))).parse(input)
}

/// What stands between quotes: anything but these, unless a backslash is before it.
fn characters<'i>(special: &'static str) -> impl Parser<&'i str, Output = String, Error = Error<&'i str>> {
    let unescaped = map(anychar, |c| match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        other => other,
    });
    let some = escaped_transform(is_not(special), '\\', unescaped);
    map(opt(some), Option::unwrap_or_default)
}

fn number(input: &str) -> IResult<&str, Term> {
    let exponent = (one_of("eE"), opt(one_of("+-")), digits);
    let float = recognize((opt(one_of("+-")), digits, char('.'), digits, opt(exponent)));
    let integer = recognize((opt(one_of("+-")), digits));
    let finite = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
    alt((
        map(map_opt(float, finite), Term::Float),
        map(map_opt(integer, |text: &str| text.parse().ok()), Term::Integer),
    ))
    .parse(input)
}

fn digits(input: &str) -> IResult<&str, &str> {
    verify(digit1, |digits: &str| digits.len() <= DIGITS_MAX).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(name: &str) -> Term {
        Term::Atom(name.to_owned())
    }

    fn text(text: &str) -> Term {
        Term::Text(text.to_owned())
    }

    #[test]
    fn what_a_client_writes_is_read() {
        assert_eq!(parse("true."), Ok(atom("true")));
        assert_eq!(parse(" 'not_in' "), Ok(atom("not_in")));
        assert_eq!(parse("<<>>"), Ok(text("")));
        assert_eq!(parse(r#"<<"">>"#), Ok(text("")));
        assert_eq!(parse(r#"<< "a\"b\\c\nd é" >>."#), Ok(text("a\"b\\c\nd é")));
        assert_eq!(parse("-17."), Ok(Term::Integer(-17)));
        assert_eq!(parse("+3.5e-1"), Ok(Term::Float(0.35)));
        assert_eq!(parse("1.0E10."), Ok(Term::Float(1e10)));
        assert_eq!(
            parse(r#"{ '=' , {ident, <<"x">>}, [1 , 2] } . "#),
            Ok(Term::Tuple(vec![
                atom("="),
                Term::Tuple(vec![atom("ident"), text("x")]),
                Term::List(vec![Term::Integer(1), Term::Integer(2)]),
            ]))
        );
        assert_eq!(parse("{}"), Ok(Term::Tuple(Vec::new())));
    }

    #[test]
    fn what_is_no_term_is_told_by_its_place() {
        for (bad, at) in [
            ("", 0),
            ("{1, ", 2),
            ("{1 2}", 3),
            ("<<\"open", 0),
            ("'open", 0),
            ("True", 0),
            ("1 2", 2),
            ("true..", 5),
            ("9223372036854775808", 0),
            ("1.0e", 3),
        ] {
            let told = format!("it is no Erlang term from byte {at} on");
            assert_eq!(parse(bad), Err(told), "{bad}");
        }
        let long = "9".repeat(101);
        assert!(parse(&format!("1.{long}")).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(16)).is_ok());
        assert_eq!(
            parse(&nested(17)),
            Err("more than 16 tuples and lists stand in each other".to_owned())
        );
        assert!(parse(&"{".repeat(16 * 1024)).is_err());
    }
}

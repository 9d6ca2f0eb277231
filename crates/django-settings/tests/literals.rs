//! What literals mean.

use django_settings::{Literal, read};
use proptest::prelude::*;

fn value(source: &str) -> Option<Literal> {
    read(&format!("X = {source}\n"), |name| name == "X")
        .assignments
        .into_iter()
        .next()
        .map(|one| one.value)
}

fn text(text: &str) -> Option<Literal> {
    Some(Literal::Str(text.to_owned()))
}

#[test]
fn numbers() {
    for (source, number) in [
        ("0", 0),
        ("00", 0),
        ("6080", 6080),
        ("6_080", 6080),
        ("+6080", 6080),
        ("-1", -1),
        ("--1", 1),
        ("- 1", -1),
        ("0x17C0", 6080),
        ("0X17c0", 6080),
        ("0o600", 384),
        ("0600", 384),
        ("0b11", 3),
        ("10L", 10),
        ("0x10l", 16),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("0x_1", 1),
    ] {
        assert_eq!(value(source), Some(Literal::Int(number)), "{source}");
    }
    for (source, number) in [
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1.5E-1", 0.15),
        ("-2.0", -2.0),
        ("1_0.5", 10.5),
    ] {
        assert_eq!(value(source), Some(Literal::Float(number)), "{source}");
    }
    for source in ["08", "0o8", "0b2", "0x", "0xg", "1__0", "1_", "1.2.3", "1e", "0b", "1a", "0_x1"]
    {
        assert_eq!(value(source), None, "{source}");
    }
}

#[test]
fn strings() {
    for (source, expected) in [
        ("'a'", "a"),
        ("\"a'b\"", "a'b"),
        ("''", ""),
        ("\"\"", ""),
        ("''''''", ""),
        ("'''a'b\"\"\"'''", "a'b\"\"\""),
        ("'''a\nb'''", "a\nb"),
        ("'''a\r\nb\rc'''", "a\nb\nc"),
        ("u'\u{e4}'", "\u{e4}"),
        ("b'a'", "a"),
        ("rb'\\n'", "\\n"),
        ("R'a\\'b'", "a\\'b"),
        (r"'\n\t\\\'\x41\101\u00e4\U0001f600'", "\n\t\\'AA\u{e4}\u{1f600}"),
        (r"'\0'", "\0"),
        (r"'\08'", "\08"),
        (r"'\q\8'", "\\q\\8"),
        (r"b'\u0041'", "\\u0041"),
        ("'a\\\nb'", "ab"),
        ("'a\\\r\nb'", "ab"),
        ("'a' 'b' \"c\"", "abc"),
        ("('a'\n  'b')", "ab"),
        ("'a' \\\n 'b'", "ab"),
        ("r'\\\n'", "\\\n"),
    ] {
        assert_eq!(value(source), text(expected), "{source}");
    }
    for source in ["b'\u{e4}'", r"'\ud800'", r"'\x4'", r"b'\xff'", "'a' b", "xr'a'"] {
        assert_eq!(value(source), None, "{source}");
    }
}

#[test]
fn lists() {
    let list = |numbers: &[i64]| {
        Some(Literal::List(numbers.iter().map(|one| Literal::Int(*one)).collect()))
    };
    for (source, expected) in [
        ("[]", list(&[])),
        ("()", list(&[])),
        ("[1]", list(&[1])),
        ("(1)", Some(Literal::Int(1))),
        ("(1,)", list(&[1])),
        ("1,", list(&[1])),
        ("1, 2", list(&[1, 2])),
        ("[1, 2,]", list(&[1, 2])),
        ("(\n1,\n2\n)", list(&[1, 2])),
        (
            "[[1], ()]",
            Some(Literal::List(vec![Literal::List(vec![Literal::Int(1)]), Literal::List(vec![])])),
        ),
        ("None", Some(Literal::None)),
        ("True", Some(Literal::Bool(true))),
        ("(False)", Some(Literal::Bool(false))),
    ] {
        assert_eq!(value(source), expected, "{source}");
    }
    for source in ["[,]", "(,)", "[1,,2]", "[1 2]", "[1", "1]", "(1]", ",", "[1)", "{}"] {
        assert_eq!(value(source), None, "{source}");
    }
    assert!(value(&format!("{}1{}", "[".repeat(30), "]".repeat(30))).is_some());
    assert_eq!(value(&format!("{}1{}", "[".repeat(100), "]".repeat(100))), None);
}

fn any_literal() -> impl Strategy<Value = Literal> {
    let leaf = prop_oneof![
        Just(Literal::None),
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(Literal::Int),
        ".*".prop_map(Literal::Str),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop::collection::vec(inner, 0..6).prop_map(Literal::List)
    })
}

/// As Python's `repr` has it.
fn python(value: &Literal) -> String {
    match value {
        Literal::None => "None".to_owned(),
        Literal::Bool(true) => "True".to_owned(),
        Literal::Bool(false) => "False".to_owned(),
        Literal::Int(number) => number.to_string(),
        Literal::Float(number) => format!("{number:?}"),
        Literal::Str(text) => {
            let escaped = text
                .replace('\\', "\\\\")
                .replace('\'', "\\'")
                .replace('\n', "\\n")
                .replace('\r', "\\r");
            format!("'{escaped}'")
        }
        Literal::List(values) => {
            format!("[{}]", values.iter().map(python).collect::<Vec<_>>().join(", "))
        }
    }
}

proptest! {
    #[test]
    fn what_python_prints_is_read_back(literal in any_literal()) {
        prop_assert_eq!(value(&python(&literal)), Some(literal));
    }

    #[test]
    fn any_text_is_survived(text in any::<String>(), mess in "[WS_A=()\\[\\]'\"\\\\\n\r#,;:.0-9a-fif \t]{0,80}") {
        read(&text, |_| true);
        read(&mess, |_| true);
    }
}

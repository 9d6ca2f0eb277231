//! Which assignments count, and which do not.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use django_settings::{Found, Literal, Why, read};

fn of(text: &str) -> Found {
    read(text, |name| name.starts_with("WS_"))
}

fn int(text: &str) -> Option<i64> {
    match of(text).get("WS_A") {
        Some(Literal::Int(number)) => Some(*number),
        _ => None,
    }
}

#[test]
fn top_level_assignments_count() {
    for text in [
        "WS_A = 1",
        "WS_A=1",
        "WS_A = 1\n",
        "\u{feff}WS_A = 1\r\n",
        "WS_A = 1\rX = 2\r",
        "\u{c}WS_A = 1",
        "\n\n  \n# comment\nWS_A = 1  # more",
        "WS_A: int = 1",
        "WS_A: 'dict[str, int]' = 1",
        "X = WS_A = 1",
        "WS_A = X = 1",
        "X = 2; WS_A = 1",
        "WS_A = 1; X = f(2)",
        "WS_A = 2\nWS_A = 1",
        "WS_A = \\\n  1",
        "WS_A \\\r\n = 1",
        "WS_A = (\n  1  # why\n)",
        "WS_A = (((1)))",
        "'''doc\nWS_A = 2\n'''\nWS_A = 1",
        "X = {\n'a': [1, 2],\n'b': (\n3)}\nWS_A = 1",
        "X = 'it''s' \"#\"\nWS_A = 1",
        "X = r'\\'\nWS_A = 2'\nWS_A = 1",
        "X = '''a\\''''\nWS_A = 1",
        "def f(x):\n    return 2\nWS_A = 1",
        "WS_A = 1\ndel X",
        "@decorator\nclass X: pass\nWS_A = 1",
        "X = lambda: {'WS_A': 2}\nWS_A = 1",
        "X = 'unclosed\nWS_A = 1",
        "print 'Python 2'\nWS_A = 1",
    ] {
        assert_eq!(int(text), Some(1), "{text:?}");
    }
}

#[test]
fn the_line_is_the_names() {
    let found = of("'''\r\n'''\r\nX = (\n1,\n2)\nWS_A = '''\n\n'''\nWS_B = 3");
    let lines: Vec<_> = found.assignments.iter().map(|one| (one.name.as_str(), one.line)).collect();
    assert_eq!(lines, [("WS_A", 6), ("WS_B", 9)]);
}

#[test]
fn what_only_looks_like_an_assignment_is_nothing() {
    for text in [
        "'WS_A = 1'",
        "\"\"\"\nWS_A = 1\n\"\"\"",
        "# WS_A = 1",
        "X = dict(WS_A=1)",
        "f(\nWS_A = 1\n)",
        "X = [\nWS_A == 1]",
        "WS_A == 1",
        "WS_A != 1",
        "WS_A >= 1",
        "WS_A: int",
        "XWS_A = 1",
        "self.WS_A = 1",
        "WS_A.x = 1",
        "WS_A[0] = 1",
        "d[WS_A] = 1",
        "f(WS_A).x = 1",
        "d['WS_A'] = 1",
        "X = lambda WS_A=1: 0",
        "import WS_A",
        "",
    ] {
        let found = of(text);
        assert_eq!((found.assignments.len(), found.skipped.len()), (0, 0), "{text:?} {found:?}");
    }
}

#[test]
fn what_cannot_be_told_is_skipped() {
    for (text, why) in [
        ("WS_A = int('1')", Why::NotALiteral),
        ("WS_A = os.environ.get('A', 1)", Why::NotALiteral),
        ("WS_A = X", Why::NotALiteral),
        ("WS_A = 1 + 1", Why::NotALiteral),
        ("WS_A = 1 if X else 2", Why::NotALiteral),
        ("WS_A = 'a' % b", Why::NotALiteral),
        ("WS_A = f'{x}'", Why::NotALiteral),
        ("WS_A = 'a' f'{x}'", Why::NotALiteral),
        ("WS_A = {'a': 1}", Why::NotALiteral),
        ("WS_A = {1}", Why::NotALiteral),
        ("WS_A = not True", Why::NotALiteral),
        ("WS_A = true", Why::NotALiteral),
        ("WS_A = '\\N{DASH}'", Why::NotALiteral),
        ("WS_A = 1j", Why::NotALiteral),
        ("WS_A = [1, X]", Why::NotALiteral),
        ("WS_A = *X, 1", Why::NotALiteral),
        ("WS_A = (yield)", Why::NotALiteral),
        ("WS_A, X = 1, 2", Why::NotALiteral),
        ("(X, [WS_A]) = 1, (2,)", Why::NotALiteral),
        ("*WS_A, X = 1, 2", Why::NotALiteral),
        ("if X: WS_A = 1", Why::InABlock),
        ("if X:\n    WS_A = 1", Why::InABlock),
        ("if X:\n\tWS_A = 1", Why::InABlock),
        ("if X[1:2]: Y = 1; WS_A = 1", Why::InABlock),
        ("try:\n  X = 1\n  WS_A = f(1)", Why::InABlock),
        ("else: WS_A = 1", Why::InABlock),
        ("class X: WS_A = 1", Why::InABlock),
        ("async def f():\n  WS_A = 1", Why::InABlock),
        ("if X:\n  del WS_A", Why::InABlock),
        ("WS_A += 1", Why::Augmented),
        ("WS_A //= 1", Why::Augmented),
        ("del WS_A", Why::Deleted),
        ("del X, WS_A", Why::Deleted),
        ("WS_A = 9223372036854775808", Why::OutOfRange),
        ("WS_A = 1_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000", Why::OutOfRange),
        ("WS_A = 'open", Why::Unreadable),
        ("WS_A = '''open\n\n", Why::Unreadable),
        ("WS_A = '\\xg0'", Why::Unreadable),
        ("WS_A = $1", Why::Unreadable),
        ("WS_A =", Why::NotALiteral),
        ("WS_A = (1", Why::NotALiteral),
        ("WS_A = 1 2", Why::NotALiteral),
        ("WS_A = a = b = c = d = e = f = g = h = 1", Why::NotALiteral),
    ] {
        let found = of(text);
        assert_eq!(found.assignments.len(), 0, "{text:?}");
        assert_eq!(found.skipped.iter().map(|one| one.why).collect::<Vec<_>>(), [why], "{text:?}");
    }
}

#[test]
fn an_earlier_literal_stays_beside_what_is_skipped() {
    let found = of("WS_A = 1\nif X:\n    WS_A = 2\nWS_A = f()\n");
    assert_eq!(found.get("WS_A"), Some(&Literal::Int(1)));
    assert_eq!(found.skipped.iter().map(|one| one.line).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn star_imports_are_told() {
    let found = of(
        "from a.b import *\ntry:\n    from .local_settings import *\nexcept ImportError: pass\nfrom x import y\nfrom z import (a, b)\n",
    );
    let told: Vec<_> =
        found.star_imports.iter().map(|one| (one.module.as_str(), one.line)).collect();
    assert_eq!(told, [("a.b", 1), (".local_settings", 3)]);
}

#[test]
fn no_value_is_in_what_is_said() {
    let skipped = of("WS_SECRET = f('hunter2')").skipped;
    assert!(!format!("{skipped:?} {}", skipped[0]).contains("hunter2"));
}

#[test]
fn long_texts_take_time_in_proportion() {
    for unit in [
        "(", ")", "'", "\"\"\"", "a=", "WS_A=", "WS_A;", "\\", "[", "-", "#", "0", "1e", "r'\\",
        "\n", "\r", "if:", "'a'", "1,", "\u{e4}", ";", "WS_A,",
    ] {
        for prefix in ["", "WS_A = ", "WS_A = (", "WS_A = '"] {
            let text = format!("{prefix}{}", unit.repeat(300_000 / unit.len()));
            // Were it not linear, this would take hours.
            let found = of(&text);
            assert!(found.assignments.len() + found.skipped.len() <= 300_000, "{unit} {prefix}");
        }
    }
}

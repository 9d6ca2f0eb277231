//! Statements, as far as they give a value to a name (The Python Language Reference, section 7).

use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::lexer::{Kind, Token};
use crate::literal::literal;
use crate::{Assignment, Found, Skipped, StarImport, Why};

/// Reads one logical line. `is_indented` lines are in a block.
pub(crate) fn line(
    tokens: &[Token<'_>],
    is_indented: bool,
    wanted: &impl Fn(&str) -> bool,
    found: &mut Found,
) {
    let opens = tokens
        .first()
        .is_some_and(|first| first.kind == Kind::Name && BLOCKS.contains(&first.text));
    let colon = tokens.iter().position(|token| token.depth == 0 && token.text == ":");
    let (tokens, is_in_block) = match colon.filter(|_| opens) {
        // `if DEBUG: WS_PORT = 1`
        Some(colon) => (tokens.get(colon + 1..).unwrap_or_default(), true),
        None => (tokens, is_indented),
    };
    let is_end = |token: &Token<'_>| token.depth == 0 && token.text == ";";
    for statement in tokens.split(is_end) {
        simple(statement, is_in_block, wanted, found);
    }
}

/// One statement without a block.
fn simple(
    tokens: &[Token<'_>],
    is_in_block: bool,
    wanted: &impl Fn(&str) -> bool,
    found: &mut Found,
) {
    let Some(first) = tokens.first() else { return };
    if let [Token { text: "from", .. }, module @ .., import, Token { text: "*", .. }] = tokens
        && import.text == "import"
    {
        let module: String = module.iter().map(|token| token.text).collect();
        found.star_imports.push(StarImport { module, line: first.line });
        return;
    }
    let mut skip = |name: &Token<'_>, why| {
        if name.kind == Kind::Name && wanted(name.text) {
            let why = if is_in_block { Why::InABlock } else { why };
            found.skipped.push(Skipped { name: name.text.to_owned(), line: name.line, why });
        }
    };
    if first.text == "del" {
        tokens.iter().filter(|token| token.depth == 0).for_each(|name| skip(name, Why::Deleted));
        return;
    }
    let is_equals =
        |token: &Token<'_>| token.depth == 0 && token.text == "=" && token.kind == Kind::Operator;
    let Some(last) = tokens.iter().rposition(is_equals) else {
        // `WS_PORT += 1`; comparisons and annotations give no value.
        if let [name, operator, ..] = tokens
            && operator.kind == Kind::Operator
            && operator.text.ends_with('=')
            && !["==", "!=", "<=", ">=", ":="].contains(&operator.text)
        {
            skip(name, Why::Augmented);
        }
        return;
    };
    let (targets, value) = tokens.split_at_checked(last).unwrap_or_default();
    // Each name gets the value for itself, which many names and a long value would make too much of.
    let is_chain = targets.iter().filter(|token| is_equals(token)).count() >= MAX_TARGETS;
    let value =
        if is_chain { Err(Why::NotALiteral) } else { literal(value.get(1..).unwrap_or_default()) };
    for target in targets.split(is_equals) {
        match target {
            // `WS_PORT = …` and `WS_PORT: int = …`
            [name] | [name, Token { depth: 0, text: ":", .. }, ..] if name.kind == Kind::Name => {
                if !wanted(name.text) {
                    continue;
                }
                let (name, line) = (name.text.to_owned(), name.line);
                match &value {
                    _ if is_in_block => {
                        found.skipped.push(Skipped { name, line, why: Why::InABlock })
                    }
                    Ok(value) => {
                        found.assignments.push(Assignment { name, line, value: value.clone() })
                    }
                    Err(why) => found.skipped.push(Skipped { name, line, why: *why }),
                }
            }
            names if is_unpacking(names) => {
                for name in names.iter().filter(|name| name.kind == Kind::Name && wanted(name.text))
                {
                    let why = if is_in_block { Why::InABlock } else { Why::NotALiteral };
                    found.skipped.push(Skipped {
                        name: name.text.to_owned(),
                        line: name.line,
                        why,
                    });
                }
            }
            // An attribute or an item of something.
            _ => {}
        }
    }
}

/// Whether these are targets side by side, as in `WS_HOST, (WS_PORT, x) = …`.
fn is_unpacking(tokens: &[Token<'_>]) -> bool {
    let mut before = None;
    for token in tokens {
        // Behind a name a bracket would be a call or an item, and a name something else.
        let is_next = matches!(before, None | Some("(" | "[" | "," | "*"));
        let fits = match token.text {
            "(" | "[" => is_next,
            ")" | "]" | "," | "*" => true,
            _ => is_next && token.kind == Kind::Name,
        };
        if !fits {
            return false;
        }
        before = Some(token.text);
    }
    true
}

/// `A = B = … = value` with more names than this is nobody's settings.
const MAX_TARGETS: usize = 8;

/// What begins a block (section 8).
const BLOCKS: [&str; 13] = [
    "if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class",
    "async", "match",
];

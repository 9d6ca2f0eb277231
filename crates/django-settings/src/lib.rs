//! stub
#![allow(missing_docs, missing_debug_implementations)]
pub enum Literal {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    List(Vec<Literal>),
}
pub struct Assignment {
    pub name: String,
    pub line: usize,
    pub value: Literal,
}
pub struct Skipped {
    pub name: String,
    pub line: usize,
    pub why: &'static str,
}
pub struct StarImport {
    pub module: String,
    pub line: usize,
}
pub struct Found {
    pub assignments: Vec<Assignment>,
    pub skipped: Vec<Skipped>,
    pub star_imports: Vec<StarImport>,
}
pub fn read(_text: &str, _wanted: impl Fn(&str) -> bool) -> Found {
    Found { assignments: vec![], skipped: vec![], star_imports: vec![] }
}

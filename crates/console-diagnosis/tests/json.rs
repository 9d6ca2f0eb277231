//! The JSON report is as docs/console-check.schema.json says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use console_diagnosis::{CHECKS, Head, Report, SCHEMA, XmlConnection, json, xml};
use serde_json::{Value, json as value};

fn schema() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/console-check.schema.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// A guest with a fault and a warning.
const DOMAIN: &[u8] = b"<domain id='1'><name>web-1</name><uuid>0a000000-0000-4000-8000-000000000001</uuid>
    <devices><graphics type='vnc' port='5900' listen='127.0.0.1' websocket='5700'/></devices></domain>";

/// A report with a section below a section, and something that was not tried.
fn report() -> Report {
    let report = Report::default();
    xml(&report, DOMAIN, &XmlConnection::Tcp { hostname: "hv2.example.org".into() });
    let host = report.section("Host 2 (hv2)");
    host.section("web-2").skip(CHECKS[0], "shut off");
    report
}

fn written(report: &Report) -> Value {
    let head = Head { mode: "xml", user: "root", is_complete: true };
    serde_json::from_str(&json(&head, &report.sections())).unwrap()
}

/// What of `value` is not as `schema` says, each with its place. Of JSON Schema it knows what docs/console-check.schema.json uses, and refuses the
/// rest, so that no word there counts for nothing.
fn faults(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (word, wanted) in schema.as_object().unwrap() {
        match word.as_str() {
            "$ref" => {
                let path = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                let target =
                    root.pointer(path).unwrap_or_else(|| panic!("no {wanted} in the schema"));
                found.extend(faults(root, target, value, place));
            }
            "anyOf" => {
                let all: Vec<_> = wanted
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| faults(root, one, value, place))
                    .collect();
                if all.iter().all(|one| !one.is_empty()) {
                    found.extend(all.into_iter().flatten());
                }
            }
            "type" => {
                let names = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
                if !names.iter().any(|name| is_of(value, name.as_str().unwrap())) {
                    found.push(format!("{place}: {value} is not of type {wanted}"));
                }
            }
            "enum" => {
                if !wanted.as_array().unwrap().contains(value) {
                    found.push(format!("{place}: {value} is none of {wanted}"));
                }
            }
            "minimum" => {
                if value.as_i64() < wanted.as_i64() {
                    found.push(format!("{place}: {value} is less than {wanted}"));
                }
            }
            "required" => {
                for name in wanted.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        found.push(format!("{place}: {name} is missing"));
                    }
                }
            }
            "properties" => {
                for (name, schema) in wanted.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        found.extend(faults(root, schema, member, &format!("{place}/{name}")));
                    }
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(faults(root, wanted, item, &format!("{place}/{index}")));
                }
            }
            "pattern" => {
                if !fits(wanted.as_str().unwrap(), value.as_str().unwrap_or_default()) {
                    found.push(format!("{place}: {value} does not fit {wanted}"));
                }
            }
            "$schema" | "$defs" | "title" | "description" => {}
            other => panic!("{other} is in the schema, and this test does not know it"),
        }
    }
    found
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("type {other} is in the schema, and this test does not know it"),
    }
}

/// The schema's three patterns, by hand.
fn fits(pattern: &str, text: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    match pattern {
        r"^[0-9]+\.[0-9]+\.[0-9]+" => {
            let numbers: Vec<&str> = text.splitn(3, '.').collect();
            numbers.len() == 3
                && numbers.iter().all(|one| one.starts_with(|c: char| c.is_ascii_digit()))
        }
        r"^[a-z_]+(\.[a-z_]+)+$" => text.contains('.') && text.split('.').all(is_word),
        r"^docs/troubleshooting\.md#[a-z_]+$" => {
            text.strip_prefix("docs/troubleshooting.md#").is_some_and(is_word)
        }
        other => panic!("the pattern {other} is in the schema, and this test does not know it"),
    }
}

#[test]
fn a_report_is_as_the_schema_says() {
    let (schema, report) = (schema(), written(&report()));
    assert_eq!(faults(&schema, &schema, &report, ""), [""; 0]);
    assert_eq!(report["schema"], SCHEMA);
    assert_eq!(report["result"], "error");
    assert_eq!(report["first"]["id"], "domain.listen");
    assert_eq!(report["counts"]["warning"], 1);
    assert_eq!(report["sections"][1]["sections"][0]["findings"][0]["status"], "skipped");
    let empty = written(&Report::default());
    assert_eq!(faults(&schema, &schema, &empty, ""), [""; 0]);
    assert_eq!(empty["first"], Value::Null);
}

#[test]
fn every_member_is_described() {
    let schema = schema();
    fn all<'a>(place: &str, schema: &'a Value, report: &'a Value, root: &'a Value) {
        let schema = match schema.get("$ref").and_then(Value::as_str) {
            Some(path) => root.pointer(path.strip_prefix('#').unwrap()).unwrap(),
            None => schema,
        };
        for (name, member) in report.as_object().into_iter().flatten() {
            let known = schema.pointer(&format!("/properties/{name}"));
            let known = known.unwrap_or_else(|| panic!("{place}/{name} is not in the schema"));
            assert!(known.get("description").is_some(), "{place}/{name} is not described");
            let known = known.pointer("/anyOf/0").unwrap_or(known);
            all(&format!("{place}/{name}"), known, member, root);
        }
        for item in report.as_array().into_iter().flatten() {
            all(place, &schema["items"], item, root);
        }
    }
    all("", &schema, &written(&report()), &schema);
}

#[test]
fn every_id_and_its_page_fit_the_schema() {
    let schema = schema();
    let finding = &schema["$defs"]["finding"];
    for check in CHECKS {
        let told = value!({
            "id": check.id, "status": "ok", "text": "", "remedy": null,
            "docs": format!("docs/troubleshooting.md#{}", check.anchor()),
        });
        assert_eq!(faults(&schema, finding, &told, check.id), [""; 0]);
    }
}

#[test]
fn a_spoiled_report_is_noticed() {
    let schema = schema();
    let good = written(&report());
    let spoil = |place: &str, with: Option<Value>| {
        let mut report = good.clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        let parent = report.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match with {
            Some(value) => _ = parent.insert(name.to_owned(), value),
            None => _ = parent.remove(name).unwrap(),
        }
        faults(&schema, &schema, &report, "")
    };
    for (place, with) in [
        ("/counts/error", None),
        ("/counts/error", Some(value!(-1))),
        ("/first", None),
        ("/first", Some(value!("domain.listen"))),
        ("/schema", Some(value!(2))),
        ("/version", Some(value!("new"))),
        ("/complete", Some(value!("true"))),
        ("/sections/1/sections/0/findings/0/remedy", None),
        ("/sections/1/sections/0/findings/0/status", Some(value!("fine"))),
        ("/sections/0/findings/0/id", Some(value!("Domain.XML"))),
        ("/sections/0/title", Some(value!(null))),
    ] {
        assert!(!spoil(place, with.clone()).is_empty(), "{place} with {with:?} is not noticed");
    }
    assert_eq!(spoil("/new", Some(value!("a member that may come"))), [""; 0]);
}

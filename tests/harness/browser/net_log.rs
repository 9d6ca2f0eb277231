//! Chromium's own record of its network (a NetLog), for what a page does not say: why a file did not load.

use std::collections::HashMap;

use serde_json::Value;

/// The requests that failed, each with its address and Chromium's number for the reason (net_error_list.h), to a server of this machine.
///
/// `log` has one event in each line; the last one may be cut, for Chromium still writes it.
pub(super) fn failed_requests(log: &str) -> Vec<String> {
    let events = log.lines().filter_map(|line| {
        serde_json::from_str::<Value>(line.trim_end_matches(',')).ok().filter(Value::is_object)
    });
    let mut urls = HashMap::new();
    let mut failed = Vec::new();
    for event in events {
        let (source, params) = (&event["source"]["id"], &event["params"]);
        let Some(source) = source.as_u64() else { continue };
        if let Some(url) = params["url"].as_str().filter(|url| url.contains("//127.0.0.1:")) {
            urls.insert(source, url.to_owned());
        }
        if let (Some(error), Some(url)) = (params["net_error"].as_i64(), urls.get(&source))
            && error < 0
        {
            failed.push(format!("{url}: net error {error}"));
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_request_is_told_by_its_address() {
        let log = r#"{"constants":{}},
"events": [
{"params":{"url":"http://127.0.0.1:8080/console/vnc.js"},"phase":1,"source":{"id":5,"type":1},"type":2},
{"params":{"url":"http://127.0.0.1:8080/console"},"phase":1,"source":{"id":6,"type":1},"type":2},
{"params":{"url":"http://example.org/"},"phase":1,"source":{"id":7,"type":1},"type":2},
{"params":{"net_error":-105},"phase":2,"source":{"id":7,"type":1},"type":2},
{"params":{"net_error":-21},"phase":2,"source":{"id":5,"type":1},"type":2},
{"params":{"net_err"#;
        let failed = failed_requests(log);
        assert_eq!(failed, ["http://127.0.0.1:8080/console/vnc.js: net error -21"]);
    }
}

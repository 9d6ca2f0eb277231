//! What may stand in the sources, before it is checked. Numbers are wide, so that a value out of range is told as such.

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Raw {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<i64>,
    pub(crate) public_host: Option<String>,
    pub(crate) web_root: Option<String>,
    pub(crate) max_sessions: Option<i64>,
    pub(crate) max_connections: Option<i64>,
    pub(crate) max_message_size: Option<i64>,
    pub(crate) early_bytes: Option<i64>,
    pub(crate) header_timeout: Option<f64>,
    pub(crate) lookup_timeout: Option<f64>,
    pub(crate) connect_timeout: Option<f64>,
    pub(crate) ping_interval: Option<f64>,
    pub(crate) client_timeout: Option<f64>,
    pub(crate) close_timeout: Option<f64>,
    pub(crate) shutdown_timeout: Option<f64>,
    pub(crate) hosts: Vec<RawHost>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHost {
    pub(crate) id: i64,
    pub(crate) name: Option<String>,
    pub(crate) connection: String,
    pub(crate) hostname: Option<String>,
    pub(crate) uri: Option<String>,
}

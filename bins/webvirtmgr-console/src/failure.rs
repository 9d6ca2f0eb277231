//! Which exit code a failure has, and what is said about it.

use std::io::{self, ErrorKind, Write};

use anyhow::Error;
use console_config::ConfigError;
use console_inventory::InventoryError;
use console_listen::ListenError;
use console_proxy::TlsError;
use permission_denied::Denied;
use tracing::{error, info};

/// Starting it again may help.
pub(crate) const FAILURE: u8 = 1;
/// EX_USAGE of sysexits.h: starting it again will not help.
pub(crate) const WRONG_SETTINGS: u8 = 64;

pub(crate) fn printed(written: io::Result<()>) -> u8 {
    match written.and_then(|()| io::stdout().flush()) {
        Ok(()) => 0,
        Err(cause) => failed(&cause.into(), FAILURE),
    }
}

pub(crate) fn failed(cause: &Error, code: u8) -> u8 {
    let listen = cause.downcast_ref::<ListenError>().and_then(ListenError::remedy);
    let tls = || Some(cause.downcast_ref::<TlsError>()?.remedy());
    let inventory = || Some(cause.downcast_ref::<InventoryError>()?.remedy().into());
    let unreadable = || match cause.downcast_ref::<ConfigError>()? {
        ConfigError::Read { path, source } if source.kind() == ErrorKind::PermissionDenied => {
            let denied = Denied::opening(path)?;
            Some(format!("{denied}: let that user read it, through its group for instance"))
        }
        _ => None,
    };
    let remedy = listen.or_else(tls).or_else(inventory).or_else(unreadable);
    error!(remedy, "{cause:#}");
    code
}

pub(crate) fn misconfigured(cause: ConfigError) -> u8 {
    let ConfigError::Invalid { problems, notes } = cause else {
        return failed(&cause.into(), WRONG_SETTINGS);
    };
    notes.iter().for_each(|note| info!("{note}"));
    problems.iter().for_each(|problem| error!("{problem}"));
    WRONG_SETTINGS
}

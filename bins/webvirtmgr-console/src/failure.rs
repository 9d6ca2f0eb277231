//! Which exit code a failure has, and what is said about it.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use anyhow::Error;
use console_config::ConfigError;
use console_inventory::InventoryError;
use console_listen::ListenError;
use console_proxy::TlsError;
use permission_denied::Denied;
use tracing::{error, info};

pub(crate) fn printed(written: io::Result<()>) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => failed(&cause.into(), ExitCode::FAILURE),
    }
}

pub(crate) fn failed(cause: &Error, code: ExitCode) -> ExitCode {
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

pub(crate) fn misconfigured(cause: ConfigError) -> ExitCode {
    let ConfigError::Invalid { problems, notes } = cause else {
        return failed(&cause.into(), wrong_settings());
    };
    notes.iter().for_each(|note| info!("{note}"));
    problems.iter().for_each(|problem| error!("{problem}"));
    wrong_settings()
}

/// EX_USAGE of sysexits.h: starting it again will not help.
pub(crate) fn wrong_settings() -> ExitCode {
    ExitCode::from(64)
}

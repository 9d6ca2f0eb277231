//! What the crate logs, of all tests together: each asks for the lines with its own file or name.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

/// All lines so far, and those that come.
#[derive(Clone)]
pub(crate) struct Logs(Arc<Mutex<Vec<u8>>>);

/// Begins to keep what is logged. The reload happens in other threads than the test, so there is one log for all.
pub(crate) fn captured() -> Logs {
    static LOGS: LazyLock<Logs> = LazyLock::new(|| {
        let logs = Logs(Arc::default());
        let writer = logs.clone();
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
            .init();
        logs
    });
    LOGS.clone()
}

impl Logs {
    pub(crate) fn lines(&self, part: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }

    /// Those about a file or folder that have something in them.
    pub(crate) fn with(&self, path: &Path, part: &str) -> Vec<String> {
        let lines = self.lines(path.to_str().unwrap());
        lines.into_iter().filter(|line| line.contains(part)).collect()
    }
}

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

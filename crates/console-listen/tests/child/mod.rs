//! This test program once more, as another process: its test `child` does what the role says.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The program, its arguments and its role.
pub(crate) fn command(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(ARGUMENTS).env(ROLE, role);
    command
}

/// What the child is to do; none in the test run itself.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Tells the parent; the test program's own words stand around it.
pub(crate) fn tell(text: &str) {
    println!("\n{MARK}{text}");
}

/// A child that has told its first line and stays until its standard input ends.
pub(crate) struct Running {
    child: Child,
    /// What it says further; nobody reads it, but somebody must be able to.
    output: BufReader<ChildStdout>,
    pub(crate) line: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut told = output.by_ref().lines().filter_map(|line| unmarked(&line.unwrap()));
        let line = told.next().expect("the child ended without a word");
        Self { child, output, line }
    }

    /// Lets it go on, without waiting for its end.
    pub(crate) fn release(mut self) -> Self {
        drop(self.child.stdin.take());
        self
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.output.read_to_end(&mut Vec::new());
        let _ = self.child.wait();
    }
}

/// In the child: until the parent lets go.
pub(crate) fn stay() {
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// All that a child told.
pub(crate) fn told(output: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(output).lines().filter_map(unmarked).collect()
}

fn unmarked(line: &str) -> Option<String> {
    line.strip_prefix(MARK).map(Into::into)
}

pub(crate) const ARGUMENTS: [&str; 3] = ["--exact", "child", "--nocapture"];
pub(crate) const ROLE: &str = "CONSOLE_LISTEN_TEST_ROLE";
const MARK: &str = "child: ";

//! A VNC client of a few lines: enough to type into a guest and to see that its screen changes, without any proxy.
//!
//! RFC 6143, version 3.8, security type None; raw pixels only.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// For each read.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connected client.
#[derive(Debug)]
pub struct Rfb {
    stream: TcpStream,
    /// Width of the guest's screen in pixels.
    pub width: u16,
    /// Height of the guest's screen in pixels.
    pub height: u16,
    /// The name that the server gives its screen.
    pub name: String,
}

impl Rfb {
    /// Connects and goes through the handshake.
    ///
    /// # Errors
    ///
    /// Nobody listens, it is no VNC server, or it wants a password.
    pub fn connect(address: &str, port: u16) -> Result<Self> {
        let mut stream = TcpStream::connect((address, port))
            .with_context(|| format!("cannot connect to {address}:{port}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // Section 7.1.1: ProtocolVersion.
        let version: [u8; 12] = read(&mut stream)?;
        ensure!(version.starts_with(b"RFB 003."), "{address}:{port} is no VNC server");
        stream.write_all(b"RFB 003.008\n")?;
        // Section 7.1.2: the security types on offer; 1 is None.
        let [count] = read(&mut stream)?;
        let mut offered = vec![0; count.into()];
        stream.read_exact(&mut offered)?;
        ensure!(offered.contains(&1), "server offers only the security types {offered:?}");
        stream.write_all(&[1])?;
        // Section 7.1.3: SecurityResult.
        let result: [u8; 4] = read(&mut stream)?;
        ensure!(result == [0; 4], "server refuses");
        // Section 7.3: ClientInit (shared), ServerInit.
        stream.write_all(&[1])?;
        let init: [u8; 24] = read(&mut stream)?;
        let mut name =
            vec![0; u32::from_be_bytes([init[20], init[21], init[22], init[23]]) as usize];
        stream.read_exact(&mut name)?;
        Ok(Self {
            stream,
            width: u16::from_be_bytes([init[0], init[1]]),
            height: u16::from_be_bytes([init[2], init[3]]),
            name: String::from_utf8_lossy(&name).into_owned(),
        })
    }

    /// Presses and releases the key of each character (section 7.5.4: KeyEvent; for ASCII the keysym is the character).
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        for character in text.chars() {
            let keysym = match character {
                '\n' => 0xff0d,
                '\u{8}' => 0xff08,
                other => u32::from(other),
            };
            for down in [1, 0] {
                let mut message = [4, down, 0, 0, 0, 0, 0, 0];
                message[4..].copy_from_slice(&keysym.to_be_bytes());
                self.stream.write_all(&message)?;
            }
        }
        Ok(())
    }

    /// Asks for the whole screen and returns its raw pixels (sections 7.5.3 and 7.6.1).
    ///
    /// # Errors
    ///
    /// The connection is gone, or the server sends what was not asked for.
    pub fn screen(&mut self) -> Result<Vec<u8>> {
        // SetEncodings (section 7.5.2): raw alone.
        self.stream.write_all(&[2, 0, 0, 1, 0, 0, 0, 0])?;
        let mut request = vec![3, 0, 0, 0, 0, 0];
        request.extend(self.width.to_be_bytes());
        request.extend(self.height.to_be_bytes());
        self.stream.write_all(&request)?;
        let [kind, _, high, low]: [u8; 4] = read(&mut self.stream)?;
        ensure!(kind == 0, "server sent message {kind} instead of a framebuffer update");
        let mut screen = Vec::new();
        for _ in 0..u16::from_be_bytes([high, low]) {
            let rectangle: [u8; 12] = read(&mut self.stream)?;
            let [_, _, _, _, w1, w2, h1, h2, encoding @ ..] = rectangle;
            if encoding != [0; 4] {
                bail!("server sent encoding {encoding:?} instead of raw");
            }
            let area = usize::from(u16::from_be_bytes([w1, w2]))
                * usize::from(u16::from_be_bytes([h1, h2]));
            let start = screen.len();
            screen.resize(start + 4 * area, 0);
            self.stream.read_exact(&mut screen[start..])?;
        }
        Ok(screen)
    }
}

fn read<const N: usize>(stream: &mut TcpStream) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).context("VNC server went away")?;
    Ok(bytes)
}

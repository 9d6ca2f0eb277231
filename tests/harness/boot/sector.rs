//! The program: 512 bytes that show the guest's name, echo typed keys on the screen and on COM1, and show what COM1 brings.
//!
//! It runs on the BIOS's services alone (interrupts 10h video and 16h keyboard, and its 8x8 font for the large letters) and on
//! the first serial port's registers. Once the screen stands it writes `ready NAME` and a line end to COM1, so that a test knows,
//! without reading pixels, that the guest has booted; then each key's character as the BIOS gives it (Enter is 0Dh).

use std::error::Error;
use std::fmt;

use super::assembler::{AsmError, Assembler, If, R8, R16, Seg};

/// Where the BIOS loads a boot sector.
const ORIGIN: u16 = 0x7c00;
/// A sector's size, the last two bytes being [`SIGNATURE`].
const SECTOR: usize = 512;
/// Without these last bytes the BIOS does not boot it.
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// The longest name: half a line of the screen.
pub const MAX_NAME: usize = 40;
/// The longest name in large letters: each takes 8 of the 80 columns, and the last must stay free.
const MAX_LARGE: usize = 9;
/// A 3.5 inch floppy disk: QEMU reads the drive's geometry off the size.
const FLOPPY: usize = 1440 * 1024;

/// First register of COM1: the byte received or to be sent.
const COM1_DATA: u16 = 0x3f8;
/// COM1's line status: bit 0 a byte has come, bit 5 one may be sent.
const COM1_STATUS: u16 = 0x3fd;

const VIDEO: u8 = 0x10;
const KEYBOARD: u8 = 0x16;

/// Why no boot sector can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootError {
    /// A name must have 1 to [`MAX_NAME`] characters.
    NameLength(usize),
    /// A name must be printable ASCII: the BIOS's font has no more.
    NameCharacter(char),
    /// The program is wrong.
    Program(AsmError),
    /// The program does not fit into a sector.
    TooLong(usize),
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameLength(length) => {
                write!(f, "guest name has {length} characters: allowed are 1 to {MAX_NAME}")
            }
            Self::NameCharacter(found) => {
                write!(f, "guest name has the character {found:?}: allowed is printable ASCII")
            }
            Self::Program(_) => f.write_str("boot sector cannot be assembled"),
            Self::TooLong(size) => {
                write!(f, "boot sector has {size} bytes of code: allowed are {}", SECTOR - 2)
            }
        }
    }
}

impl Error for BootError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Program(error) => Some(error),
            _ => None,
        }
    }
}

/// A floppy disk that boots and shows `name`.
///
/// # Errors
///
/// See [`BootError`].
pub fn floppy_image(name: &str) -> Result<Vec<u8>, BootError> {
    let mut image = boot_sector(name)?.to_vec();
    image.resize(FLOPPY, 0);
    Ok(image)
}

/// The boot sector that shows `name`.
///
/// # Errors
///
/// See [`BootError`].
pub fn boot_sector(name: &str) -> Result<[u8; SECTOR], BootError> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(BootError::NameLength(name.chars().count()));
    }
    if let Some(found) = name.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
        return Err(BootError::NameCharacter(found));
    }
    let code = program(name).finish().map_err(BootError::Program)?;
    let mut sector = [0; SECTOR];
    let (body, signature) = sector.split_at_mut(SECTOR - SIGNATURE.len());
    body.get_mut(..code.len()).ok_or(BootError::TooLong(code.len()))?.copy_from_slice(&code);
    signature.copy_from_slice(&SIGNATURE);
    Ok(sector)
}

fn program(name: &str) -> Assembler {
    let mut asm = Assembler::new(ORIGIN);
    if name.len() <= MAX_LARGE {
        start(&mut asm, 12);
        large_name(&mut asm);
    } else {
        start(&mut asm, 3);
    }
    asm.mov_address(R16::Si, "text").call("show string");
    asm.mov_address(R16::Si, "ready").call("send string");
    asm.mov_address(R16::Si, "name").call("send string");
    asm.mov_address(R16::Si, "line end").call("send string");
    echo(&mut asm);
    routines(&mut asm);

    asm.label("text").bytes(b"\r\n  This is the guest \"").bytes(name.as_bytes());
    asm.bytes(b"\".\r\n\r\n\r\n  type something:\r\n\r\n  \0");
    asm.label("ready").bytes(b"ready \0");
    asm.label("name").bytes(name.as_bytes()).bytes(b"\0");
    asm.label("line end").bytes(b"\r\n\0");
    asm
}

/// Segments and stack; text mode 80x25 without a cursor; the upper `lines` white on blue.
fn start(asm: &mut Assembler, lines: u8) {
    asm.clear(R16::Ax).mov_segment(Seg::Ds, R16::Ax).mov_segment(Seg::Ss, R16::Ax);
    asm.mov(R16::Sp, ORIGIN).forward();
    asm.mov(R16::Ax, 0x0003).int(VIDEO);
    // Bit 5 of CH hides the cursor: it would blink, and a test could take that for an echo.
    asm.mov_low(R8::Ah, 1).mov(R16::Cx, 0x2000).int(VIDEO);
    // Scroll (06h) the window from line 0, column 0 to the last of `lines`, column 79 away, leaving the attribute in BH.
    asm.mov(R16::Ax, 0x0600).mov_low(R8::Bh, 0x1f);
    asm.clear(R16::Cx).mov(R16::Dx, u16::from_be_bytes([lines - 1, 79])).int(VIDEO);
}

/// The name in letters of 8x8 blocks, drawn from the BIOS's font line by line.
fn large_name(asm: &mut Assembler) {
    asm.mov_low(R8::Al, b'\n').call("show");
    // Where is the 8x8 font (BH = 3)? At ES:BP.
    asm.mov(R16::Ax, 0x1130).mov_low(R8::Bh, 3).int(VIDEO);
    asm.clear(R16::Cx);
    asm.label("line").mov_low(R8::Al, b' ').call("show").call("show");
    asm.mov_address(R16::Si, "name");
    asm.label("letter").load_byte().test_low(R8::Al).jump_if(If::Zero, "line is done");
    // The letter's line: font + 8 * letter + line.
    asm.widen_al().shl(R16::Ax, 3).add(R16::Ax, R16::Cx).copy(R16::Di, R16::Ax);
    asm.load_dl_es_bp_di().mov_low(R8::Dh, 8);
    asm.label("dot").mov_low(R8::Al, b' ').shl_low(R8::Dl).jump_if(If::NoCarry, "blank");
    // DBh is the full block in the BIOS's character set (code page 437).
    asm.mov_low(R8::Al, 0xdb);
    asm.label("blank").call("show").dec_low(R8::Dh).jump_if(If::NotZero, "dot");
    asm.jump("letter");
    asm.label("line is done").mov_low(R8::Al, b'\r').call("show");
    asm.inc(R16::Cx).cmp_low(R8::Cl, 8).jump_if(If::NotZero, "line");
}

/// For ever: a key goes to the screen and to COM1, a byte from COM1 to the screen.
fn echo(asm: &mut Assembler) {
    asm.label("echo").mov_low(R8::Ah, 1).int(KEYBOARD).jump_if(If::Zero, "no key");
    asm.mov_low(R8::Ah, 0).int(KEYBOARD);
    // Keys without a character (arrows, F1) have AL = 0 or E0h.
    asm.test_low(R8::Al).jump_if(If::Zero, "echo");
    asm.cmp_low(R8::Al, 0xe0).jump_if(If::Zero, "echo");
    asm.call("send").call("show").jump("echo");

    asm.label("no key").mov(R16::Dx, COM1_STATUS).in_al_dx();
    // A port that is not there reads FFh: no byte has come.
    asm.cmp_low(R8::Al, 0xff).jump_if(If::Zero, "idle");
    asm.test_al(0x01).jump_if(If::Zero, "idle");
    asm.mov(R16::Dx, COM1_DATA).in_al_dx().call("show").jump("echo");
    // The timer wakes it 18 times a second, a key at once.
    asm.label("idle").sleep().jump("echo");
}

fn routines(asm: &mut Assembler) {
    // show: AL on the screen. Enter begins a line, Backspace takes a character away.
    asm.label("show").cmp_low(R8::Al, b'\r').jump_if(If::NotZero, "no line");
    asm.call("teletype").push(R16::Ax).mov_low(R8::Al, b'\n').call("teletype");
    asm.pop(R16::Ax).ret();
    asm.label("no line").cmp_low(R8::Al, 8).jump_if(If::NotZero, "teletype");
    asm.call("teletype").mov_low(R8::Al, b' ').call("teletype").mov_low(R8::Al, 8);
    asm.label("teletype").mov_low(R8::Ah, 0x0e).mov(R16::Bx, 7).int(VIDEO).ret();

    asm.label("show string").load_byte().test_low(R8::Al).jump_if(If::Zero, "shown");
    asm.call("teletype").jump("show string").label("shown").ret();

    // send: AL to COM1, when it is free.
    asm.label("send").push(R16::Ax).mov(R16::Dx, COM1_STATUS);
    asm.label("busy").in_al_dx().test_al(0x20).jump_if(If::Zero, "busy");
    asm.pop(R16::Ax).mov(R16::Dx, COM1_DATA).out_dx_al().ret();

    asm.label("send string").load_byte().test_low(R8::Al).jump_if(If::Zero, "sent");
    asm.call("send").jump("send string").label("sent").ret();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_of_name_fits_and_has_the_signature() {
        for length in 1..=MAX_NAME {
            let name = "n".repeat(length);
            let sector = boot_sector(&name).unwrap();
            assert_eq!(sector[510..], [0x55, 0xaa]);
            assert!(sector.windows(length).any(|part| part == name.as_bytes()));
        }
        assert_eq!(floppy_image("demo").unwrap().len(), 1_474_560);
    }

    #[test]
    fn names_that_cannot_be_shown_are_refused() {
        assert_eq!(boot_sector(""), Err(BootError::NameLength(0)));
        let long = "n".repeat(MAX_NAME + 1);
        assert_eq!(boot_sector(&long), Err(BootError::NameLength(MAX_NAME + 1)));
        assert_eq!(boot_sector("gäst"), Err(BootError::NameCharacter('ä')));
        assert_eq!(boot_sector("a\nb"), Err(BootError::NameCharacter('\n')));
        assert_eq!(
            boot_sector("a\nb").unwrap_err().to_string(),
            "guest name has the character '\\n': allowed is printable ASCII"
        );
    }
}

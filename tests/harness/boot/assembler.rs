//! A small assembler for 16-bit x86: the instructions that a boot sector needs, and labels.
//!
//! Encodings: Intel's Software Developer's Manual, volume 2. Labels are resolved at the end, so they may be used before they are
//! placed; a jump that does not reach its label is an error, not wrong code.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// A general register of 8 bits; the number is its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the registers' own names")]
pub enum R8 {
    Al = 0,
    Cl = 1,
    Dl = 2,
    Bl = 3,
    Ah = 4,
    Ch = 5,
    Dh = 6,
    Bh = 7,
}

/// A general register of 16 bits; the number is its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the registers' own names")]
pub enum R16 {
    Ax = 0,
    Cx = 1,
    Dx = 2,
    Bx = 3,
    Sp = 4,
    Bp = 5,
    Si = 6,
    Di = 7,
}

/// A segment register that can be written; the number is its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the registers' own names")]
pub enum Seg {
    Es = 0,
    Ss = 2,
    Ds = 3,
}

/// A condition of a short jump; the number is its opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum If {
    /// The carry flag is clear (JNC).
    NoCarry = 0x73,
    /// Equal, zero (JE, JZ).
    Zero = 0x74,
    /// Not equal, not zero (JNE, JNZ).
    NotZero = 0x75,
}

/// A place in the program.
pub type Label = &'static str;

/// Why a program cannot be finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AsmError {
    /// A label is used but never placed.
    Unplaced(Label),
    /// A label is placed twice.
    PlacedTwice(Label),
    /// A short jump would have to go further than 127 bytes forward or 128 back.
    OutOfRange {
        /// Where the jump goes.
        label: Label,
        /// How far that is, in bytes.
        distance: i64,
    },
    /// The program does not fit into 64 KiB.
    TooLong,
}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unplaced(label) => write!(f, "label `{label}` is used but not placed"),
            Self::PlacedTwice(label) => write!(f, "label `{label}` is placed twice"),
            Self::OutOfRange { label, distance } => {
                write!(f, "label `{label}` is {distance} bytes away: too far for a short jump")
            }
            Self::TooLong => f.write_str("the program is longer than 64 KiB"),
        }
    }
}

impl Error for AsmError {}

#[derive(Clone, Copy, Debug)]
enum Reference {
    /// One byte, relative to the byte after it.
    Short,
    /// Two bytes, relative to the byte after them.
    Near,
    /// Two bytes, the address itself.
    Address,
}

/// A program in the making.
#[derive(Clone, Debug)]
pub struct Assembler {
    origin: u16,
    code: Vec<u8>,
    labels: BTreeMap<Label, usize>,
    references: Vec<(usize, Reference, Label)>,
    placed_twice: Option<Label>,
}

impl Assembler {
    /// An empty program that will be loaded at `origin`.
    pub fn new(origin: u16) -> Self {
        Self {
            origin,
            code: Vec::new(),
            labels: BTreeMap::new(),
            references: Vec::new(),
            placed_twice: None,
        }
    }

    /// Places a label here.
    pub fn label(&mut self, label: Label) -> &mut Self {
        if self.labels.insert(label, self.code.len()).is_some() {
            self.placed_twice = self.placed_twice.or(Some(label));
        }
        self
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.code.extend_from_slice(bytes);
        self
    }

    /// `xor r, r`: sets it to zero.
    pub fn clear(&mut self, r: R16) -> &mut Self {
        self.bytes(&[0x31, both(r as u8, r as u8)])
    }

    /// `mov r, imm`
    pub fn mov(&mut self, r: R16, value: u16) -> &mut Self {
        let [low, high] = value.to_le_bytes();
        self.bytes(&[0xb8 + r as u8, low, high])
    }

    /// `mov r, address of label`
    pub fn mov_address(&mut self, r: R16, label: Label) -> &mut Self {
        self.bytes(&[0xb8 + r as u8]).reference(Reference::Address, label)
    }

    /// `mov r, imm`
    pub fn mov_low(&mut self, r: R8, value: u8) -> &mut Self {
        self.bytes(&[0xb0 + r as u8, value])
    }

    /// `mov to, from`
    pub fn copy(&mut self, to: R16, from: R16) -> &mut Self {
        self.bytes(&[0x89, both(to as u8, from as u8)])
    }

    /// `mov seg, r`
    pub fn mov_segment(&mut self, seg: Seg, r: R16) -> &mut Self {
        self.bytes(&[0x8e, both(r as u8, seg as u8)])
    }

    /// `mov dl, es:[bp+di]`
    pub fn load_dl_es_bp_di(&mut self) -> &mut Self {
        self.bytes(&[0x26, 0x8a, 0x13])
    }

    /// `add to, from`
    pub fn add(&mut self, to: R16, from: R16) -> &mut Self {
        self.bytes(&[0x01, both(to as u8, from as u8)])
    }

    /// `inc r`
    pub fn inc(&mut self, r: R16) -> &mut Self {
        self.bytes(&[0x40 + r as u8])
    }

    /// `dec r`
    pub fn dec_low(&mut self, r: R8) -> &mut Self {
        self.bytes(&[0xfe, 0xc8 + r as u8])
    }

    /// `shl r, count`
    pub fn shl(&mut self, r: R16, count: u8) -> &mut Self {
        self.bytes(&[0xc1, 0xe0 + r as u8, count])
    }

    /// `shl r, 1`
    pub fn shl_low(&mut self, r: R8) -> &mut Self {
        self.bytes(&[0xd0, 0xe0 + r as u8])
    }

    /// `cmp r, imm`
    pub fn cmp_low(&mut self, r: R8, value: u8) -> &mut Self {
        self.bytes(&[0x80, 0xf8 + r as u8, value])
    }

    /// `test r, r`
    pub fn test_low(&mut self, r: R8) -> &mut Self {
        self.bytes(&[0x84, both(r as u8, r as u8)])
    }

    /// `test al, imm`
    pub fn test_al(&mut self, mask: u8) -> &mut Self {
        self.bytes(&[0xa8, mask])
    }

    /// `cbw`: AL into AX, with its sign
    pub fn widen_al(&mut self) -> &mut Self {
        self.bytes(&[0x98])
    }

    /// `lodsb`: the byte at DS:SI into AL, and on to the next
    pub fn load_byte(&mut self) -> &mut Self {
        self.bytes(&[0xac])
    }

    /// `push r`
    pub fn push(&mut self, r: R16) -> &mut Self {
        self.bytes(&[0x50 + r as u8])
    }

    /// `pop r`
    pub fn pop(&mut self, r: R16) -> &mut Self {
        self.bytes(&[0x58 + r as u8])
    }

    /// `in al, dx`
    pub fn in_al_dx(&mut self) -> &mut Self {
        self.bytes(&[0xec])
    }

    /// `out dx, al`
    pub fn out_dx_al(&mut self) -> &mut Self {
        self.bytes(&[0xee])
    }

    /// `int number`: calls the BIOS
    pub fn int(&mut self, number: u8) -> &mut Self {
        self.bytes(&[0xcd, number])
    }

    /// `cld`: string instructions go forward
    pub fn forward(&mut self) -> &mut Self {
        self.bytes(&[0xfc])
    }

    /// `sti; hlt`: sleeps until the next interrupt
    pub fn sleep(&mut self) -> &mut Self {
        self.bytes(&[0xfb, 0xf4])
    }

    /// `ret`
    pub fn ret(&mut self) -> &mut Self {
        self.bytes(&[0xc3])
    }

    /// `call label`
    pub fn call(&mut self, label: Label) -> &mut Self {
        self.bytes(&[0xe8]).reference(Reference::Near, label)
    }

    /// `jmp short label`
    pub fn jump(&mut self, label: Label) -> &mut Self {
        self.bytes(&[0xeb]).reference(Reference::Short, label)
    }

    /// A short jump on a condition.
    pub fn jump_if(&mut self, condition: If, label: Label) -> &mut Self {
        self.bytes(&[condition as u8]).reference(Reference::Short, label)
    }

    /// The program's bytes, with all labels filled in.
    ///
    /// # Errors
    ///
    /// A label is missing, doubled or out of reach, or the program is too long.
    pub fn finish(&self) -> Result<Vec<u8>, AsmError> {
        if let Some(label) = self.placed_twice {
            return Err(AsmError::PlacedTwice(label));
        }
        if usize::from(self.origin) + self.code.len() > 0x1_0000 {
            return Err(AsmError::TooLong);
        }
        let mut code = self.code.clone();
        for &(at, reference, label) in &self.references {
            let target = *self.labels.get(label).ok_or(AsmError::Unplaced(label))? as i64;
            let too_far = |distance| AsmError::OutOfRange { label, distance };
            match reference {
                Reference::Short => {
                    let distance = target - (at as i64 + 1);
                    let byte = i8::try_from(distance).map_err(|_| too_far(distance))?;
                    code[at..at + 1].copy_from_slice(&byte.to_le_bytes());
                }
                Reference::Near => {
                    let distance = target - (at as i64 + 2);
                    let word = i16::try_from(distance).map_err(|_| too_far(distance))?;
                    code[at..at + 2].copy_from_slice(&word.to_le_bytes());
                }
                Reference::Address => {
                    let word = u16::try_from(i64::from(self.origin) + target)
                        .map_err(|_| AsmError::TooLong)?;
                    code[at..at + 2].copy_from_slice(&word.to_le_bytes());
                }
            }
        }
        Ok(code)
    }

    fn reference(&mut self, reference: Reference, label: Label) -> &mut Self {
        self.references.push((self.code.len(), reference, label));
        match reference {
            Reference::Short => self.bytes(&[0]),
            Reference::Near | Reference::Address => self.bytes(&[0, 0]),
        }
    }
}

/// The ModR/M byte of two registers: `rm` is the first operand of the opcodes used here.
const fn both(rm: u8, reg: u8) -> u8 {
    0xc0 | reg << 3 | rm
}

#[cfg(test)]
mod tests;

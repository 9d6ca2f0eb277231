//! The guest's whole operating system: a boot sector that shows its name and echoes what is typed.
//!
//! [`assembler`] knows the instructions, [`sector`] the program.

pub mod assembler;
pub mod sector;

pub use sector::{BootError, boot_sector, floppy_image};

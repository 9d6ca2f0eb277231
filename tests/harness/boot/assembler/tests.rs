//! Bytes of known instructions (as `objdump -D -b binary -m i8086` reads them), and labels.

use super::*;

type Write = fn(&mut Assembler) -> &mut Assembler;

fn code(write: Write) -> Vec<u8> {
    let mut asm = Assembler::new(0x7c00);
    write(&mut asm);
    asm.finish().unwrap()
}

#[test]
fn instructions_have_their_known_bytes() {
    let known: &[(&str, &[u8], Write)] = &[
        ("xor ax,ax", &[0x31, 0xc0], |a| a.clear(R16::Ax)),
        ("mov sp,0x7c00", &[0xbc, 0x00, 0x7c], |a| a.mov(R16::Sp, 0x7c00)),
        ("mov ah,0x0e", &[0xb4, 0x0e], |a| a.mov_low(R8::Ah, 0x0e)),
        ("mov di,ax", &[0x89, 0xc7], |a| a.copy(R16::Di, R16::Ax)),
        ("mov ds,ax", &[0x8e, 0xd8], |a| a.mov_segment(Seg::Ds, R16::Ax)),
        ("mov es,ax", &[0x8e, 0xc0], |a| a.mov_segment(Seg::Es, R16::Ax)),
        ("mov ss,ax", &[0x8e, 0xd0], |a| a.mov_segment(Seg::Ss, R16::Ax)),
        ("mov dl,es:[bp+di]", &[0x26, 0x8a, 0x13], |a| a.load_dl_es_bp_di()),
        ("add ax,cx", &[0x01, 0xc8], |a| a.add(R16::Ax, R16::Cx)),
        ("inc cx", &[0x41], |a| a.inc(R16::Cx)),
        ("dec dh", &[0xfe, 0xce], |a| a.dec_low(R8::Dh)),
        ("shl ax,3", &[0xc1, 0xe0, 0x03], |a| a.shl(R16::Ax, 3)),
        ("shl dl,1", &[0xd0, 0xe2], |a| a.shl_low(R8::Dl)),
        ("cmp cl,8", &[0x80, 0xf9, 0x08], |a| a.cmp_low(R8::Cl, 8)),
        ("test al,al", &[0x84, 0xc0], |a| a.test_low(R8::Al)),
        ("test al,0x20", &[0xa8, 0x20], |a| a.test_al(0x20)),
        ("push ax", &[0x50], |a| a.push(R16::Ax)),
        ("pop dx", &[0x5a], |a| a.pop(R16::Dx)),
        ("int 0x10", &[0xcd, 0x10], |a| a.int(0x10)),
    ];
    for (text, bytes, write) in known {
        assert_eq!(&code(*write), bytes, "{text}");
    }
}

#[test]
fn labels_reach_forward_and_back() {
    let bytes = code(|a| {
        a.label("top").jump_if(If::Zero, "end").call("top").mov_address(R16::Si, "end");
        a.label("end").jump("top")
    });
    // jz +6; call -5; mov si,0x7c08; jmp -10
    assert_eq!(bytes, [0x74, 6, 0xe8, 0xfb, 0xff, 0xbe, 0x08, 0x7c, 0xeb, 0xf6]);
}

#[test]
fn a_short_jump_reaches_127_forward_and_128_back_and_no_further() {
    let forward = |gap| {
        let mut a = Assembler::new(0);
        a.jump("end").bytes(&vec![0x90; gap]).label("end");
        a.finish().map(|code| code[1])
    };
    assert_eq!(forward(127), Ok(127));
    assert_eq!(forward(128), Err(AsmError::OutOfRange { label: "end", distance: 128 }));

    let back = |gap| {
        let mut a = Assembler::new(0);
        a.label("top").bytes(&vec![0x90; gap]).jump("top");
        a.finish().map(|code| code[gap + 1])
    };
    assert_eq!(back(126), Ok(0x80));
    assert_eq!(back(127), Err(AsmError::OutOfRange { label: "top", distance: -129 }));
}

#[test]
fn missing_and_doubled_labels_are_errors() {
    let mut asm = Assembler::new(0);
    asm.jump("nowhere");
    assert_eq!(asm.finish(), Err(AsmError::Unplaced("nowhere")));
    let mut asm = Assembler::new(0);
    asm.label("here").label("here");
    assert_eq!(asm.finish(), Err(AsmError::PlacedTwice("here")));
}

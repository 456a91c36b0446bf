//! Attack: store names that are no strings. The request says which: `text` (bytes that are not
//! UTF-8), `outside` (a string that lies outside of the memory), `long` (one mebibyte), `empty`,
//! `nul`.
//!
//! Expected: `text` and `outside` trap where the call crosses from the plugin into the engine; the
//! others are errors (`invalid` or `limit`), which are the answer. No host memory of the claimed
//! size is taken, and nothing is created.

use sop_guest::{Error, Isolation, Result, Transaction};

fn run(request: &[u8]) -> Result<Vec<u8>> {
    match request {
        b"text" => forged(b"\xff\xfe\xc0\x80".as_ptr() as usize, 4),
        b"outside" => forged(usize::MAX - 64, 1 << 20),
        b"long" => create(&"n".repeat(1 << 20)),
        b"empty" => create(""),
        b"nul" => create("a\0b"),
        _ => Err(Error::Request(
            "text, outside, long, empty or nul".to_owned(),
        )),
    }
}

fn create(name: &str) -> Result<Vec<u8>> {
    let transaction = Transaction::begin(Isolation::Serializable)?;
    match transaction.create_store(name).map(drop) {
        Ok(()) => Ok(b"created".to_vec()),
        Err(error) => Ok(error.to_string().into_bytes()),
    }
}

/// Calls `create-store` below the bindings, with a string of any place and length.
#[cfg(target_arch = "wasm32")]
#[expect(
    unsafe_code,
    reason = "the safe interface cannot say what this attack says"
)]
fn forged(name: usize, bytes: usize) -> Result<Vec<u8>> {
    #[link(wasm_import_module = "sop:engine/transactions@0.1.0")]
    unsafe extern "C" {
        #[link_name = "[static]transaction.begin"]
        fn begin(isolation: i32, result: *mut u64);
        #[link_name = "[method]transaction.create-store"]
        fn create_store(transaction: i32, name: usize, bytes: usize, result: *mut u64);
    }
    let mut result = [0_u64; 16];
    // SAFETY: both write a result of at most 40 bytes, aligned to 8, where they are told to.
    unsafe {
        begin(0, result.as_mut_ptr());
        // ok(handle): the case in the first byte, the handle after the alignment of 8
        let transaction = u32::try_from(result[1] & 0xffff_ffff)
            .unwrap_or(0)
            .cast_signed();
        create_store(transaction, name, bytes, result.as_mut_ptr());
    }
    Ok(b"not stopped".to_vec())
}

/// Only a plugin has this boundary to cross.
#[cfg(not(target_arch = "wasm32"))]
fn forged(_name: usize, _bytes: usize) -> Result<Vec<u8>> {
    Ok(b"not stopped".to_vec())
}

sop_guest::plugin!(run);

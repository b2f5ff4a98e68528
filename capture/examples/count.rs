//! Counts the frames of captures, and says how long a frame took.
//!
//! `cargo run --release -p capture --example count -- FILE...`; the environment variables
//! `BATCH_KIB`, `MMAP` and `FILTER` set the options of the same names.

use std::env::var;
use std::time::Instant;

use capture::{Input, Options, Source};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let inputs: Vec<Input> = std::env::args_os().skip(1).map(Input::parse).collect();
    let mut options = Options { mmap: var("MMAP").is_ok(), ..Options::default() };
    options.filter = var("FILTER").ok();
    if let Ok(kib) = var("BATCH_KIB") {
        options.batch_bytes_max = kib.parse::<usize>()? << 10;
    }
    let start = Instant::now();
    let mut timeline = capture::open(&inputs, &options)?;
    let (mut bytes, mut first_bytes, mut batches) = (0_u64, 0_u64, 0_u64);
    while let Some(step) = timeline.next_batch() {
        match step {
            Ok(batch) => {
                for frame in batch.frames() {
                    bytes += frame.data.len() as u64;
                    // Touch the packet as any consumer would.
                    first_bytes += frame.data.get(12).copied().map_or(0, u64::from);
                }
                batches += 1;
                timeline.recycle(batch);
            }
            Err(error) => eprintln!("{error}"),
        }
    }
    let elapsed = start.elapsed();
    let progress = timeline.progress();
    let frames = progress.frames.max(1);
    println!(
        "{frames} frames, {bytes} bytes in {batches} batches: {:.1} ns a frame, {:.2} GB/s ({first_bytes:x})",
        elapsed.as_secs_f64() * 1e9 / frames as f64,
        progress.bytes_read as f64 / elapsed.as_secs_f64() / 1e9,
    );
    Ok(())
}

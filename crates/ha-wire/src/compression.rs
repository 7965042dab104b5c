//! Compression of whole messages (`wire-protocol.md` 2.4).

use std::fmt;
use std::io::{Read, Write};

use crate::limits::MAX_UNCOMPRESSED;

/// How a payload is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// An RFC 1950 stream of the default level.
    #[default]
    Zlib,
    /// A bzip2 stream of block size 1.
    Bz2,
}

/// What is compressed when sending, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionSettings {
    /// `compression`.
    pub algorithm: Compression,
    /// `compression_threshold`, here in bytes: an encoded message longer than this is compressed.
    pub threshold: usize,
    /// `traditional_compression`. When off, haresources clusters compress nothing.
    pub traditional: bool,
}

impl Default for CompressionSettings {
    fn default() -> Self {
        Self {
            algorithm: Compression::Zlib,
            threshold: 2048,
            traditional: false,
        }
    }
}

impl Compression {
    /// The word on the wire and in `ha.cf`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zlib => "zlib",
            Self::Bz2 => "bz2",
        }
    }

    /// The method of this name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Zlib, Self::Bz2]
            .into_iter()
            .find(|method| method.name().as_bytes() == name)
    }

    /// Compresses `plain`.
    pub(crate) fn compress(self, plain: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Zlib => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Bz2 => {
                let level = bzip2::Compression::new(1);
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
                encoder.write_all(plain)?;
                encoder.finish()
            }
        }
    }

    /// Decompresses `packed`, up to [`MAX_UNCOMPRESSED`] bytes. `None` if it is damaged or longer than that; never more
    /// than that is produced.
    pub(crate) fn decompress(self, packed: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Zlib => read_bounded(flate2::read::ZlibDecoder::new(packed)),
            Self::Bz2 => read_bounded(bzip2::read::BzDecoder::new(packed)),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn read_bounded(reader: impl Read) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    reader
        .take(MAX_UNCOMPRESSED as u64 + 1)
        .read_to_end(&mut plain)
        .ok()?;
    (plain.len() <= MAX_UNCOMPRESSED).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Compression; 2] = [Compression::Zlib, Compression::Bz2];

    #[test]
    fn there_and_back() {
        let plain: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        for method in BOTH {
            let packed = method.compress(&plain).unwrap();
            assert!(packed.len() < plain.len() / 10);
            assert_eq!(method.decompress(&packed), Some(plain.clone()));
            assert_eq!(method.decompress(&packed[..packed.len() / 2]), None);
            assert_eq!(
                Compression::from_name(method.name().as_bytes()),
                Some(method)
            );
        }
        assert_eq!(Compression::from_name(b"lzma"), None);
    }

    #[test]
    fn bombs_are_refused() {
        for method in BOTH {
            let fits = method.compress(&vec![0; MAX_UNCOMPRESSED]).unwrap();
            assert_eq!(
                method.decompress(&fits).map(|plain| plain.len()),
                Some(MAX_UNCOMPRESSED)
            );
            let bomb = method.compress(&vec![0; MAX_UNCOMPRESSED + 1]).unwrap();
            assert!(bomb.len() < 10_000);
            assert_eq!(method.decompress(&bomb), None);
        }
    }
}

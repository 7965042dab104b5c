//! Frames survive every way of being cut, and no bytes whatever do harm.

use ha_ipc::frame::{BUFFER_MAX, FrameReader, Head};
use proptest::collection::vec;
use proptest::prelude::*;

/// Feeds everything in the given piece sizes, and takes out what there is after each.
fn read(stream: &[u8], pieces: &[usize]) -> (Vec<Vec<u8>>, bool) {
    let mut reader = FrameReader::new();
    let mut bodies = Vec::new();
    let mut rest = stream;
    let mut sizes = pieces.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).clamp(1, rest.len());
        let fed = reader.feed(&rest[..size]);
        assert!(fed > 0, "no room although every body was taken");
        rest = &rest[fed..];
        loop {
            match reader.body() {
                Ok(Some(body)) => bodies.push(body.to_vec()),
                Ok(None) => break,
                Err(_) => return (bodies, true),
            }
        }
        assert!(reader.room() <= BUFFER_MAX);
    }
    (bodies, false)
}

proptest! {
    #[test]
    fn bodies_come_out_as_they_went_in(
        bodies in vec(vec(any::<u8>(), 0..300), 0..20),
        pieces in vec(1usize..200, 1..10),
    ) {
        let mut stream = Vec::new();
        for body in &bodies {
            stream.extend_from_slice(&Head::for_body(body.len()).unwrap().octets());
            stream.extend_from_slice(body);
        }
        prop_assert_eq!(read(&stream, &pieces), (bodies, false));
    }

    #[test]
    fn garbage_is_an_error_and_no_panic(
        stream in vec(any::<u8>(), 0..600),
        pieces in vec(1usize..50, 1..10),
    ) {
        let whole = read(&stream, &[usize::MAX]);
        prop_assert_eq!(read(&stream, &pieces), whole);
    }
}

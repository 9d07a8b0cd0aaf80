use super::*;
use crate::proto::message::Empty;
use crate::rpc::CLIENT_PROTOCOL;
use proptest::prelude::*;

fn client_id() -> [u8; 16] {
    std::array::from_fn(|at| at as u8)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn negotiating_is_the_known_frame() {
    let message = RpcSasl { state: sasl_state::NEGOTIATE, ..RpcSasl::default() };
    let expected = "0000000e 0a 0802 1000 1841 2200 2801 02 1001";
    assert_eq!(hex(&sasl(&message)), expected.replace(' ', ""));
}

#[test]
fn a_ping_is_the_known_frame() {
    let expected = "0000001b 1a 08021000 1807 2210 000102030405060708090a0b0c0d0e0f 2801";
    assert_eq!(hex(&ping(&client_id())), expected.replace(' ', ""));
}

#[test]
fn a_call_is_the_known_frame() {
    let frame = call(&client_id(), 0, 0, &body(CLIENT_PROTOCOL, "getNewApplication", &Empty::default()));
    let header = "1a 08021000 1800 2210 000102030405060708090a0b0c0d0e0f 2800".replace(' ', "");
    let mut expected = vec![0x4d, 0x0a, 0x11];
    expected.extend_from_slice(b"getNewApplication\x12\x36");
    expected.extend_from_slice(CLIENT_PROTOCOL.as_bytes());
    expected.extend_from_slice(&[0x18, 0x01, 0x00]);
    assert_eq!(hex(&frame[4..]), header + &hex(&expected));
    assert_eq!(frame[..4], (frame.len() as u32 - 4).to_be_bytes());
}

#[test]
fn a_call_id_of_a_response_is_the_bits_of_the_requests() {
    // callId 4294967263, SUCCESS
    let mut frame: &[u8] = &[0x08, 0x08, 0xdf, 0xff, 0xff, 0xff, 0x0f, 0x10, 0x00, 0x07];
    let header = response(&mut frame).unwrap();
    assert_eq!(header.call_id as i32, CALL_SASL);
    assert_eq!(frame, [7]);
}

#[test]
fn a_frame_is_refused_by_its_length_alone() {
    fn check(bytes: &[u8], says: &str) {
        let mut gathering = Gathering::default();
        gathering.push(bytes);
        let error = gathering.frame(100).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    check(&[0, 0, 0, 101], "a frame of 101 bytes");
    check(&[0xff; 4], "before Hadoop 2.2");
    check(b"HTTP/1.1 404 Not Found", "web page");
}

#[test]
fn only_one_message_may_follow_a_header() {
    assert!(only::<Empty>(&[0]).is_ok());
    assert!(only::<Empty>(&[]).is_err());
    assert!(only::<Empty>(&[0, 0]).unwrap_err().contains("1 bytes behind"));
}

proptest! {
    #[test]
    fn frames_are_the_same_however_they_are_cut(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6),
        piece in 1usize..50,
    ) {
        let stream: Vec<u8> = frames.iter().flat_map(|frame| framed(&[frame])).collect();
        let mut gathering = Gathering::default();
        let mut found = Vec::new();
        for piece in stream.chunks(piece) {
            gathering.push(piece);
            while let Some(frame) = gathering.frame(1000).unwrap() {
                found.push(frame);
            }
        }
        prop_assert_eq!(found, frames);
    }

    #[test]
    fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut gathering = Gathering::default();
        gathering.push(&bytes);
        while let Ok(Some(frame)) = gathering.frame(200) {
            let mut rest = &*frame;
            let _ = response(&mut rest).and_then(|_| only::<RpcSasl>(rest));
        }
        let mut rest = &*bytes;
        let _ = response(&mut rest).and_then(|_| only::<crate::proto::message::AllocateResponse>(rest));
    }
}

use super::*;
use proptest::prelude::*;

fn token() -> impl Strategy<Value = Token> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..300);
    (bytes(), bytes(), ".{0,20}", ".{0,20}").prop_map(|(identifier, password, kind, service)| Token {
        identifier,
        password,
        kind,
        service,
    })
}

fn credentials() -> impl Strategy<Value = Credentials> {
    let secrets = prop::collection::btree_map(".{0,10}", prop::collection::vec(any::<u8>(), 0..200), 0..4);
    (prop::collection::btree_map(".{0,10}", token(), 0..4), secrets)
        .prop_map(|(tokens, secrets)| Credentials { tokens, secrets })
}

/// One token and one secret in the bytes of format 0.
fn known() -> (Credentials, Vec<u8>) {
    let token = Token {
        identifier: vec![1, 2],
        password: vec![3],
        kind: crate::AM_RM_TOKEN.into(),
        service: String::new(),
    };
    let credentials = Credentials {
        tokens: [(String::new(), token)].into(),
        secrets: [("key".to_owned(), vec![9; 300])].into(),
    };
    let mut bytes =
        b"HDTS\x00\x01\x00\x02\x01\x02\x01\x03\x10YARN_AM_RM_TOKEN\x00\x01\x03key\x8e\x01\x2c".to_vec();
    bytes.extend([9; 300]);
    (credentials, bytes)
}

#[test]
fn the_known_bytes_are_read_and_written() {
    let (credentials, bytes) = known();
    assert_eq!(credentials.to_bytes(), bytes);
    assert_eq!(Credentials::from_bytes(&bytes).unwrap(), credentials);
}

#[test]
fn what_is_cut_off_is_refused() {
    for bytes in [known().1, known().0.to_protobuf()] {
        for len in 0..bytes.len() {
            assert!(Credentials::from_bytes(&bytes[..len]).is_err(), "cut to {len}");
        }
    }
}

#[test]
fn what_is_no_credentials_is_refused_before_anything_is_reserved() {
    fn check(bytes: &[u8], says: &str) {
        let error = Credentials::from_bytes(bytes).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    check(b"XDTS\x00\x00\x00", "HDTS");
    check(b"HDTS\x02", "format 2");
    check(b"HDTS\x00\x88\x7f\xff\xff\xff\xff\xff\xff\xff", "more entries");
    check(b"HDTS\x00\x01\x8b\x7f\xff\xff\xff", "cut off");
    check(b"HDTS\x00\x01\xff", "negative");
}

#[test]
fn a_masters_token_is_found_and_left_out() {
    let (credentials, _) = known();
    assert!(credentials.token(crate::AM_RM_TOKEN).is_some());
    let rest = credentials.without(crate::AM_RM_TOKEN);
    assert!(rest.token(crate::AM_RM_TOKEN).is_none());
    assert_eq!(rest.secrets.len(), 1);
}

#[test]
fn secrets_are_not_printed() {
    let (mut credentials, _) = known();
    credentials.tokens.values_mut().for_each(|token| token.password = b"hush".to_vec());
    let shown = format!("{credentials:?}");
    assert!(shown.contains("YARN_AM_RM_TOKEN") && shown.contains("key"), "{shown}");
    assert!(!shown.contains("104") && !shown.contains("9, 9"), "{shown}");
    let token = crate::proto::rpc::Token::from(credentials.tokens.values().next().unwrap().clone());
    let shown = format!("{token:?}");
    assert!(shown.contains("YARN_AM_RM_TOKEN") && !shown.contains("104"), "{shown}");
}

#[test]
fn a_file_is_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), known().1).unwrap();
    assert_eq!(Credentials::read(file.path()).unwrap(), known().0);
    let missing = Credentials::read(Path::new("/nowhere/tokens")).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/tokens"), "{missing}");
}

proptest! {
    #[test]
    fn credentials_come_back_in_both_formats(credentials in credentials()) {
        prop_assert_eq!(&Credentials::from_bytes(&credentials.to_bytes()).unwrap(), &credentials);
        prop_assert_eq!(&Credentials::from_bytes(&credentials.to_protobuf()).unwrap(), &credentials);
    }

    #[test]
    fn whatever_comes_is_read_or_refused(format in 0u8..3, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Credentials::from_bytes(&[&b"HDTS"[..], &[format], &bytes].concat());
    }

    #[test]
    fn a_changed_byte_is_read_or_refused(at in 0usize..300, to: u8) {
        let (_, mut bytes) = known();
        bytes[at] = to;
        let _ = Credentials::from_bytes(&bytes);
    }
}

use tokenizers_oracle::{Tokenizer, TruncationDirection, TruncationParams};

use serde_json::{Value, json};

use super::{Cuts, TextTokenizer};
use crate::prepare::PrepareError;

const WORDS: &[&str] = &[
    "the",
    "recipe",
    "Mixing",
    "flour's",
    "café",
    "cafe\u{301}",
    "Straße",
    "ΣΊΣΥΦΟΣ",
    "привет",
    "мир",
    "こんにちは",
    "世界",
    "안녕",
    "مرحبا",
    "नमस्ते",
    "👩‍🍳",
    "1,234.5",
    "don't",
    "[SEP]",
    "[MASK]",
    "<b>",
    "e-mail@x.org",
    "…",
    "—",
    "x\u{200b}y",
    "\u{fffd}",
    "a\0b",
    "\u{1d}c\u{7f}",
    "\u{9d}\u{85}",
    "\u{feff}",
    "\u{e000}",
    "ＡＢＣ",
    "İstanbul",
    "unbelievablylongwordwithoutanyend",
];

/// Texts of words, spaces and line breaks, the same on every run (xorshift64).
fn texts(count: usize) -> Vec<String> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    (0..count)
        .map(|_| {
            let length = next(120);
            let word = |next: &mut dyn FnMut(usize) -> usize| {
                let gap = ["", " ", " ", " ", " ", " ", "  ", "\n", "\t", "\u{a0}"][next(10)];
                format!("{}{gap}", WORDS[next(WORDS.len())])
            };
            (0..length).map(|_| word(&mut next)).collect()
        })
        .collect()
}

fn added(tokens: &[(&str, u32)]) -> Value {
    let added = |&(content, id): &(&str, u32)| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    tokens.iter().map(added).collect()
}

const SPECIAL: &[(&str, u32)] = &[("[PAD]", 0), ("[UNK]", 1), ("[CLS]", 2), ("[SEP]", 3), ("[MASK]", 4)];

fn wordpiece() -> Value {
    let mut pieces: Vec<String> = SPECIAL.iter().map(|(name, _)| (*name).to_owned()).collect();
    let letters: std::collections::BTreeSet<char> =
        WORDS.concat().to_lowercase().chars().chain("aeiouσος".chars()).filter(|c| *c != '\0').collect();
    pieces.extend(letters.iter().flat_map(|letter| [letter.to_string(), format!("##{letter}")]));
    pieces
        .extend(["the", "rec", "##ipe", "mix", "##ing", "cafe", "при", "##вет", "##able"].map(str::to_owned));
    let vocab: serde_json::Map<String, Value> =
        pieces.into_iter().enumerate().map(|(id, piece)| (piece, json!(id))).collect();
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": added(SPECIAL),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab}
    })
}

/// GPT-2's characters for the 256 bytes: printable ones stand for themselves, the others for U+0100 and on.
fn byte_letters() -> Vec<char> {
    let printable = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut shifted = 0x100..;
    (0..256_u32)
        .map(|byte| if printable(byte) { byte } else { shifted.next().expect("endless") })
        .filter_map(char::from_u32)
        .collect()
}

fn byte_bpe() -> Value {
    let letters = byte_letters();
    assert_eq!(letters.len(), 256);
    let merges =
        [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("in", "g"), ("r", "e"), ("Ð", "¸"), ("Ġ", "Ġ")];
    let mut pieces: Vec<String> = SPECIAL.iter().map(|(name, _)| (*name).to_owned()).collect();
    pieces.extend(letters.iter().map(char::to_string));
    pieces.extend(merges.iter().map(|(left, right)| format!("{left}{right}")));
    let vocab: serde_json::Map<String, Value> =
        pieces.into_iter().enumerate().map(|(id, piece)| (piece, json!(id))).collect();
    let merges: Vec<String> = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added(SPECIAL),
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2],
            "trim_offsets": true, "add_prefix_space": false},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges}
    })
}

fn ids(tokenizer: &mut TextTokenizer, text: &str) -> Vec<u32> {
    let bytes = tokenizer.encode(text).expect("encodes");
    bytes.as_chunks::<4>().0.iter().map(|id| u32::from_le_bytes(*id)).collect()
}

fn oracle(json: &Value, max_length: usize, direction: TruncationDirection) -> Tokenizer {
    let mut oracle: Tokenizer = json.to_string().parse().expect("reads");
    oracle.with_padding(None);
    let truncation = TruncationParams { max_length, direction, ..TruncationParams::default() };
    oracle.with_truncation(Some(truncation)).expect("valid");
    oracle
}

#[test]
fn ids_are_those_of_the_reference_implementation() {
    let texts = texts(300);
    for (name, json) in [("WordPiece", wordpiece()), ("byte-level BPE", byte_bpe())] {
        for max_tokens in [3, 16, 100_000] {
            let reference = oracle(&json, max_tokens, TruncationDirection::Right);
            let mut tokenizer = TextTokenizer::new(json.to_string().as_bytes(), max_tokens).expect("reads");
            assert_eq!(tokenizer.cuts, Cuts::BeforeSpaces, "{name}");
            for text in &texts {
                let expected = reference.encode(text.as_str(), true).expect("encodes");
                assert_eq!(ids(&mut tokenizer, text), expected.get_ids(), "{name}, {max_tokens}: {text:?}");
            }
        }
    }
}

#[test]
fn every_character_of_the_common_scripts_is_the_reference_implementations() {
    // BERT's splitting by the reference is that of Unicode 8, so later punctuation is left out.
    let characters = ('\0'..'\u{600}').chain('\u{2000}'..'\u{2e43}').chain('\u{3000}'..'\u{3200}');
    let texts: Vec<String> =
        characters.chain('\u{f000}'..='\u{ffff}').map(|c| format!("a{c}b {c}1{c}")).collect();
    for json in [wordpiece(), byte_bpe()] {
        let reference = oracle(&json, 512, TruncationDirection::Right);
        let mut tokenizer = TextTokenizer::new(json.to_string().as_bytes(), 512).expect("reads");
        for text in &texts {
            let expected = reference.encode(text.as_str(), true).expect("encodes");
            assert_eq!(ids(&mut tokenizer, text), expected.get_ids(), "{text:?}");
        }
    }
}

#[test]
fn the_end_is_kept_where_the_tokenizer_truncates_on_the_left() {
    let mut json = wordpiece();
    json["truncation"]["direction"] = "Left".into();
    let reference = oracle(&json, 9, TruncationDirection::Left);
    let mut tokenizer = TextTokenizer::new(json.to_string().as_bytes(), 9).expect("reads");
    for text in texts(50) {
        let expected = reference.encode(text.as_str(), true).expect("encodes");
        assert_eq!(ids(&mut tokenizer, &text), expected.get_ids(), "{text:?}");
    }
}

#[test]
fn long_texts_are_cut_only_where_it_is_safe() {
    let cuts = |change: &dyn Fn(&mut Value)| {
        let mut json = wordpiece();
        change(&mut json);
        super::cuts(&json)
    };
    assert_eq!(cuts(&|_| {}), Cuts::BeforeSpaces);
    assert_eq!(cuts(&|json| json["pre_tokenizer"] = Value::Null), Cuts::Nowhere);
    assert_eq!(
        cuts(&|json| json["pre_tokenizer"] = json!({"type": "Split", "pattern": {"Regex": "a b"}})),
        Cuts::Nowhere
    );
    assert_eq!(cuts(&|json| json["added_tokens"][4]["content"] = "a b".into()), Cuts::Nowhere);
    assert_eq!(
        cuts(&|json| json["normalizer"] = json!({"type": "Replace", "pattern": {"Regex": "a b"}})),
        Cuts::Nowhere
    );
    let sequence =
        json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Punctuation"}]});
    assert_eq!(cuts(&|json| json["pre_tokenizer"] = sequence.clone()), Cuts::BeforeSpaces);

    assert_eq!(Cuts::BeforeSpaces.head("ab cd  ef", 1), "ab");
    assert_eq!(Cuts::BeforeSpaces.head("ab cd  ef", 3), "ab cd");
    assert_eq!(Cuts::BeforeSpaces.head("ab cd  ef", 6), "ab cd  ef");
    assert_eq!(Cuts::Nowhere.head("ab cd", 1), "ab cd");
}

#[test]
fn mistakes_name_the_cure() {
    let error = TextTokenizer::new(b"{", 512).err().expect("refused").to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
    let error = TextTokenizer::new(wordpiece().to_string().as_bytes(), 2).err().expect("refused");
    assert!(matches!(error, PrepareError::MaxTokens { max_tokens: 2, special: 2 }), "{error}");
}

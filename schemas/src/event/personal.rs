//! Finds personal numbers in the inline texts of an event: identity cards, mobile numbers and bank cards.
//!
//! What stands inline in an event can never be erased, so client and node look before it is recorded. Whether an officer
//! may override, and with which reason, is the caller's business. Only numbers are found: names and addresses are not.
//! A find says where, never what, so that it can be logged.

use super::field::{self, FieldType};
use super::{Event, Kind, Text};
use crate::json::Json;
use crate::time::Date;

/// What kind of personal number was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PersonalKind {
    /// An identity card of the PRC: 18 digits whose check digit is right, or the old form of 15.
    IdentityCard,
    /// A mobile number of the PRC.
    MobileNumber,
    /// A bank card whose check digit is right.
    BankCard,
}

impl PersonalKind {
    /// Returns a stable code for programs and text catalogues.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdentityCard => "identity-card",
            Self::MobileNumber => "mobile-number",
            Self::BankCard => "bank-card",
        }
    }
}

/// A personal number in a text: its place, not its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonalSpan {
    /// What it is.
    pub kind: PersonalKind,
    /// The first character, from 0.
    pub start: usize,
    /// How many characters.
    pub chars: usize,
}

/// A personal number in an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonalFind {
    /// The path of the member, such as `body.reason` or `attachments[0].name`.
    pub field: String,
    /// Where in it, and what.
    pub span: PersonalSpan,
}

/// Finds the personal numbers in everything of an event that a person wrote and that stays in the log.
pub fn find_in_event(event: &Event) -> Vec<PersonalFind> {
    let mut found = Vec::new();
    let mut look = |path: &str, text: &str| {
        found.extend(find_in_text(text).into_iter().map(|span| PersonalFind {
            field: path.to_owned(),
            span,
        }));
    };
    if let Some(number) = &event.doc_no {
        look("docNo", number);
    }
    if let Some(other) = &event.external_ref {
        look("externalRef.number", &other.number);
        look("externalRef.system", &other.system);
    }
    for (place, basis) in event.legal_basis.iter().enumerate() {
        look(&format!("legalBasis[{place}].act"), &basis.act);
        look(&format!("legalBasis[{place}].article"), &basis.article);
    }
    for (place, file) in event.attachments.iter().enumerate() {
        look(&format!("attachments[{place}].name"), &file.name);
    }
    for (place, signer) in event.signers.iter().enumerate() {
        look(&format!("signers[{place}].post"), signer.post.as_str());
        if let Some(officer) = &signer.officer {
            look(&format!("signers[{place}].officer"), officer.as_str());
        }
    }
    match &event.kind {
        Kind::Known(kind) => {
            field::visit(event.body.json(), kind.fields(), &mut |path, field_type, json| {
                if let Some(text) = written_text(field_type, json) {
                    look(&format!("body.{path}"), &text);
                }
            });
        }
        Kind::Unknown(_) => look_everywhere("body", event.body.json(), &mut look),
    }
    found
}

/// Returns the inline text of a field that a person writes; none for codes, dates, hashes and the like.
fn written_text(field_type: FieldType, json: &Json) -> Option<String> {
    match field_type {
        FieldType::Text => match Text::from_json(json) {
            Ok(Text::Inline(text)) => Some(text),
            Ok(Text::Detached(_)) | Err(_) => None,
        },
        FieldType::Word(_) | FieldType::Officer | FieldType::Post => json.as_text().map(str::to_owned),
        FieldType::Code(_)
        | FieldType::ProfileCode
        | FieldType::Department
        | FieldType::Date
        | FieldType::Instant
        | FieldType::Integer(..)
        | FieldType::Flag
        | FieldType::Event
        | FieldType::Hash
        | FieldType::Key
        | FieldType::Items
        | FieldType::List(..)
        | FieldType::Object(_) => None,
    }
}

fn look_everywhere(path: &str, json: &Json, look: &mut impl FnMut(&str, &str)) {
    match json {
        Json::Text(text) => look(path, text),
        Json::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                look_everywhere(&format!("{path}[{place}]"), item, look);
            }
        }
        Json::Object(members) => {
            for (name, value) in members {
                look_everywhere(&format!("{path}.{name}"), value, look);
            }
        }
        Json::Bool(_) | Json::Int(_) => {}
    }
}

/// Finds the personal numbers in a text, in order of place.
///
/// Full-width digits count as digits. Numbers may be written in the usual groups (`138 0013 8000`, four digits each on
/// cards, `110105-19491231-002X`). Digits inside a longer word (hashes, credit codes, file numbers) are no number.
pub fn find_in_text(text: &str) -> Vec<PersonalSpan> {
    let digits = text
        .chars()
        .filter(|character| half_width(*character).is_ascii_digit());
    if digits.take(DIGITS_MIN).count() < DIGITS_MIN {
        return Vec::new();
    }
    let chars: Vec<char> = text.chars().map(half_width).collect();
    let groups = digit_groups(&chars);
    let mut found = Vec::new();
    let mut place = 0;
    while place < groups.len() {
        let rest = groups.get(place..).unwrap_or_default();
        match number_at(rest, &chars) {
            Some((kind, used)) => {
                let first = rest.first().map_or(0, |group| group.start);
                let end = rest.get(used - 1).map_or(first, |group| group.end);
                found.push(PersonalSpan {
                    kind,
                    start: first,
                    chars: end - first,
                });
                place += used;
            }
            None => place += 1,
        }
    }
    found
}

/// The digits of a mobile number: no other has fewer.
const DIGITS_MIN: usize = 11;

/// Digits (perhaps with a final X) that stand by themselves.
struct Group {
    start: usize,
    end: usize,
    digits: String,
    /// Whether exactly one space or hyphen stands between this group and the next.
    joined: bool,
}

fn half_width(character: char) -> char {
    let code = u32::from(character);
    if (0xff01..=0xff5e).contains(&code) {
        char::from_u32(code - 0xfee0).unwrap_or(character)
    } else {
        character
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn digit_groups(chars: &[char]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut place = 0;
    while let Some(first) = chars.get(place) {
        if !is_word(*first) {
            place += 1;
            continue;
        }
        let rest = chars.get(place..).unwrap_or_default();
        let length = rest.iter().take_while(|character| is_word(**character)).count();
        let word: String = rest.iter().take(length).collect();
        if let Some((skipped, digits)) = number_in_word(&word) {
            let start = place + skipped;
            if let Some(last) = groups.last_mut() {
                let between = chars.get(last.end..start).unwrap_or_default();
                last.joined = matches!(
                    between,
                    [' ' | '-' | '\u{a0}' | '\u{2010}' | '\u{2011}' | '\u{2013}']
                );
            }
            groups.push(Group {
                start,
                end: start + digits.chars().count(),
                digits,
                joined: false,
            });
        }
        place += length;
    }
    groups
}

/// Returns the digits of a word that is a number, perhaps after a label such as `tel`, and how many letters that has.
fn number_in_word(word: &str) -> Option<(usize, String)> {
    let letters = word.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (label, rest) = word.split_at_checked(letters)?;
    let known = label.is_empty() || LABELS.contains(&label.to_ascii_lowercase().as_str());
    let digits = rest.strip_suffix(['x', 'X']).unwrap_or(rest);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let fits = plain && (digits.len() == rest.len() || matches!(digits.len(), 3 | 17));
    (known && fits).then(|| (letters, rest.to_ascii_uppercase()))
}

/// Says which number begins at the first group, and how many groups it takes.
fn number_at(groups: &[Group], chars: &[char]) -> Option<(PersonalKind, usize)> {
    let near = groups.get(..groups.len().min(GROUPS_MAX))?;
    let joined = 1 + near.iter().take_while(|group| group.joined).count();
    let run = near.get(..joined.min(near.len()))?;
    for used in (1..=run.len()).rev() {
        let part = run.get(..used)?;
        let sizes: Vec<usize> = part.iter().map(|group| group.digits.len()).collect();
        let digits: String = part.iter().map(|group| group.digits.as_str()).collect();
        if let Some(kind) = kind_of(&digits, &sizes)
            && (kind == PersonalKind::IdentityCard || !is_amount(part, chars))
        {
            return Some((kind, used));
        }
    }
    None
}

fn kind_of(digits: &str, sizes: &[usize]) -> Option<PersonalKind> {
    let whole = sizes.len() == 1;
    let card_groups = sizes.len() >= 4
        && sizes
            .split_last()
            .is_some_and(|(last, rest)| *last <= 4 && rest.iter().all(|size| *size == 4));
    let identity_groups = matches!(sizes, [6, 8, 4] | [6, 4, 4, 4] | [6, 4, 2, 2, 4] | [6, 6, 3]);
    let mobile_groups = matches!(sizes, [3, 4, 4] | [2 | 4, 11] | [2 | 4, 3, 4, 4]);
    if (whole || identity_groups || card_groups) && is_identity_card(digits) {
        Some(PersonalKind::IdentityCard)
    } else if (whole || mobile_groups) && is_mobile_number(digits) {
        Some(PersonalKind::MobileNumber)
    } else if (whole || card_groups) && is_bank_card(digits) {
        Some(PersonalKind::BankCard)
    } else {
        None
    }
}

/// Says whether digits are an amount of money or a count: a decimal follows or a sign of currency or magnitude stands beside.
fn is_amount(part: &[Group], chars: &[char]) -> bool {
    let (Some(first), Some(last)) = (part.first(), part.last()) else {
        return false;
    };
    let before = first.start.checked_sub(1).and_then(|place| chars.get(place));
    let after = chars.get(last.end);
    let decimal = matches!(after, Some('.')) && chars.get(last.end + 1).is_some_and(char::is_ascii_digit);
    decimal
        || before.is_some_and(|sign| ['$', '\u{a5}', '\u{ffe5}', '\u{20ac}'].contains(sign))
        || after.is_some_and(|sign| MAGNITUDES.contains(sign))
}

/// GB 11643: area, date of birth, sequence, check digit by ISO 7064 MOD 11-2; before 1999 without century and check digit.
fn is_identity_card(digits: &str) -> bool {
    let area = digits.get(..2).is_some_and(|area| AREAS.contains(&area));
    let born = |from: usize, century: &str| {
        let birth = digits.get(from..from + 8 - century.len());
        let birth = birth.map(|birth| format!("{century}{birth}")).unwrap_or_default();
        let number =
            |range: std::ops::Range<usize>| birth.get(range).and_then(|part| part.parse::<i16>().ok());
        match (number(0..4), number(4..6), number(6..8)) {
            (Some(year), Some(month), Some(day)) if (1800..2100).contains(&year) => {
                let (month, day) = (i8::try_from(month), i8::try_from(day));
                matches!((month, day), (Ok(month), Ok(day)) if Date::new(year, month, day).is_ok())
            }
            _ => false,
        }
    };
    match digits.len() {
        18 => area && born(6, "") && has_check_character(digits),
        15 => area && born(6, "19") && digits.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

fn has_check_character(digits: &str) -> bool {
    let mut sum = 0;
    for (place, byte) in digits.bytes().enumerate() {
        let value = match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'X' if place == 17 => 10,
            _ => return false,
        };
        // The weight of place i from the right is 2^i mod 11.
        sum = (sum * 2 + value) % 11;
    }
    sum == 1
}

fn is_mobile_number(digits: &str) -> bool {
    let local = match digits.len() {
        11 => digits,
        13 => digits.strip_prefix("86").unwrap_or_default(),
        15 => digits.strip_prefix("0086").unwrap_or_default(),
        _ => "",
    };
    local.len() == 11
        && local.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(local.as_bytes(), [b'1', b'3'..=b'9', ..])
}

/// ISO/IEC 7812: a number of an issuer that people in the PRC hold, with the right check digit (Luhn).
fn is_bank_card(digits: &str) -> bool {
    let issued = |prefixes: &[&str], low: usize, high: usize| {
        (low..=high).contains(&digits.len()) && prefixes.iter().any(|prefix| digits.starts_with(prefix))
    };
    let issuer = issued(&["62", "60", "9558", "9559", "35"], 16, 19)
        || issued(&["4"], 16, 16)
        || issued(&["51", "52", "53", "54", "55"], 16, 16)
        || issued(&["34", "37"], 15, 15);
    issuer && has_luhn_digit(digits)
}

fn has_luhn_digit(digits: &str) -> bool {
    let mut sum = 0;
    for (place, byte) in digits.bytes().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        let value = u32::from(byte - b'0');
        sum += match place % 2 {
            0 => value,
            _ if value > 4 => value * 2 - 9,
            _ => value * 2,
        };
    }
    sum % 10 == 0
}

/// The most groups in which one number is written: a country code before a mobile number, or a card of 19 digits.
const GROUPS_MAX: usize = 5;

/// What people write before a number without a space.
const LABELS: &[&str] = &[
    "id", "tel", "mob", "mobile", "phone", "card", "sfz", "sfzh", "sj", "sjh",
];

/// Yuan (two forms), ten thousand, hundred million.
const MAGNITUDES: &[char] = &['\u{5143}', '\u{5706}', '\u{4e07}', '\u{4ebf}'];

/// First two digits of the areas of GB/T 2260, with residence permits of Hong Kong, Macao, Taiwan and foreigners.
const AREAS: &[&str] = &[
    "11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42",
    "43", "44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81", "82",
    "83", "91",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<&'static str> {
        find_in_text(text).iter().map(|span| span.kind.as_str()).collect()
    }

    #[test]
    fn finds_identity_cards() {
        for text in [
            "11010519491231002X",
            "11010519491231002x",
            "440524188001010014",
            "110105491231002",
            "\u{8eab}\u{4efd}\u{8bc1}\u{53f7}11010519491231002X\u{ff0c}\u{4f4f}\u{5740}",
            "ID11010519491231002X",
            "110105 19491231 002X",
            "110105-1949-12-31-002X",
            "\u{ff11}\u{ff11}\u{ff10}\u{ff11}\u{ff10}\u{ff15}\u{ff11}\u{ff19}\u{ff14}\u{ff19}\u{ff11}\u{ff12}\u{ff13}\u{ff11}\u{ff10}\u{ff10}\u{ff12}\u{ff38}",
        ] {
            assert_eq!(kinds(text), ["identity-card"], "{text}");
        }
    }

    #[test]
    fn finds_mobile_numbers() {
        for text in [
            "13800138000",
            "\u{8054}\u{7cfb}\u{7535}\u{8bdd}13800138000\u{3002}",
            "+86 138 0013 8000",
            "+86-13800138000",
            "8613800138000",
            "008619912345678",
            "138-0013-8000",
            "tel:15912345678",
            "tel15912345678",
            "h-13800138000",
        ] {
            assert_eq!(kinds(text), ["mobile-number"], "{text}");
        }
    }

    #[test]
    fn finds_bank_cards() {
        for text in [
            "6222021234567890128",
            "6222 0212 3456 7890 128",
            "4111111111111111",
            "4111-1111-1111-1111",
            "9558801234567890128",
            "5500000000000004",
        ] {
            assert_eq!(kinds(text), ["bank-card"], "{text}");
        }
    }

    #[test]
    fn passes_what_only_looks_like_one() {
        for text in [
            // Check digit wrong, day that does not exist, area that does not exist.
            "110105194912310021",
            "11010519490231002X",
            "99010519491231002X",
            "110105490231002",
            // Mobile numbers are 11 digits and begin with 13 to 19.
            "12800138000",
            "1380013800",
            "138001380000",
            "23800138000",
            // Luhn digit wrong, or no issuer of cards.
            "6222021234567890127",
            "4111111111111112",
            "1111111111111117",
            // Document and case numbers, dates.
            "\u{3014}2026\u{3015}12\u{53f7}",
            "\u{6c5f}\u{6c11}\u{51fd}\u{3014}2026\u{3015}13800\u{53f7}",
            "housing/req-2026-0031",
            "2026-01-05",
            "2026-01-05T01:02:03.004Z",
            "20260105010203",
            "307010/000012",
            // Unified social credit codes, with letters and all digits.
            "91110000MA0012345X",
            "911100001000056789",
            "12110000000013800138",
            // Hashes and ids.
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "a13800138000",
            "13800138000abc",
            "node_13800138000",
            // Amounts.
            "13800138000.50",
            "13800138000\u{5143}",
            "\u{ffe5}13800138000",
            "$13800138000",
            // A service line and a fixed number.
            "12345",
            "010-66001234",
        ] {
            assert_eq!(kinds(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn says_where() {
        let found = find_in_text("\u{7535}\u{8bdd} 138 0013 8000 \u{6216} 11010519491231002X");
        assert_eq!(
            found,
            [
                PersonalSpan {
                    kind: PersonalKind::MobileNumber,
                    start: 3,
                    chars: 13,
                },
                PersonalSpan {
                    kind: PersonalKind::IdentityCard,
                    start: 19,
                    chars: 18,
                },
            ]
        );
    }

    #[test]
    fn looks_for_a_number_behind_another() {
        assert_eq!(
            kinds("12 13800138000 11010519491231002X"),
            ["mobile-number", "identity-card"]
        );
        assert_eq!(kinds("2026 138 0013 8000"), ["mobile-number"]);
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_inside_the_text(text in ".{0,60}") {
            for span in find_in_text(&text) {
                prop_assert!(span.start + span.chars <= text.chars().count());
            }
        }

        #[test]
        fn hashes_are_no_numbers(bytes in any::<[u8; 32]>()) {
            prop_assert_eq!(find_in_text(&crate::id::Hash(bytes).to_hex()), []);
        }

        #[test]
        fn every_identity_card_is_found_wherever_it_stands(
            area in proptest::sample::select(AREAS.to_vec()), rest in 0u32..10_000, days in 0i32..36_000, serial in 0u32..1_000,
            before in "[\u{4e00}-\u{4e20}\u{ff0c} ]{0,5}", after in "[\u{4e00}-\u{4e20}\u{ff0c} ]{0,5}",
        ) {
            let born = Date::new(1930, 1, 1).unwrap().plus_days(days).to_string().replace('-', "");
            let body = format!("{area}{rest:04}{born}{serial:03}");
            let check = "0123456789X".chars().find(|check| has_check_character(&format!("{body}{check}"))).unwrap();
            let text = format!("{before}{body}{check}{after}");
            prop_assert_eq!(kinds(&text), ["identity-card"]);
        }
    }
}

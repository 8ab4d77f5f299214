//! Strategies for valid events, statements, entries, foundings and governance, made from the declared field tables.

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use std::collections::BTreeMap;
use tally_schemas::entry::{Entry, EntryHeader, RegistryRef};
use tally_schemas::epoch::Opening;
use tally_schemas::event::field::{Field, FieldType};
use tally_schemas::event::{CaseKind, Event, EventKind};
use tally_schemas::genesis::{Administrator, DepartmentRecord, Genesis, LEVELS, NodeRecord, Role};
use tally_schemas::governance::{Change, Governance, Right};
use tally_schemas::id::{
    DepartmentId, EventId, FederationId, Hash, NamedHead, NodeId, OfficerId, Origin, TreeHead,
};
use tally_schemas::json::Json;
use tally_schemas::note::{Note, SignatureLine};
use tally_schemas::statement::Statement;
use tally_schemas::time::{Date, Timestamp};

const DEPARTMENTS: [&str; 6] = ["audit", "civil-affairs", "d", "housing", "office", "tax"];

fn id() -> impl Strategy<Value = String> {
    "[a-z0-9-]{1,40}"
}

fn text(max: usize) -> impl Strategy<Value = String> {
    let short = max.min(12);
    prop_oneof![
        proptest::collection::vec(any::<char>(), 1..=short).prop_map(|chars| chars.into_iter().collect()),
        "[ -~\u{4e00}-\u{4e20}]{1,12}".prop_map(move |text| text.chars().take(short).collect()),
        "[\\x00-\\x1f\"\\\\/\u{7f}\u{2028}]{1,6}"
            .prop_map(move |text| text.chars().take(short).collect::<String>()),
    ]
}

pub(crate) fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    (0i64..253_402_300_800_000).prop_map(|ms| Timestamp::from_ms(ms).unwrap())
}

fn date() -> impl Strategy<Value = Date> {
    timestamp().prop_map(|stamp| stamp.date_at(0))
}

fn federation() -> impl Strategy<Value = FederationId> {
    (id(), hash()).prop_map(|(name, hash)| FederationId::new(&name, &hash).unwrap())
}

fn departments(low: usize) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(DEPARTMENTS.to_vec(), low..=DEPARTMENTS.len())
}

fn commitment() -> impl Strategy<Value = BTreeMap<String, Json>> {
    let media = select(vec!["text/plain", "application/pdf", "image/svg+xml"]);
    (hash(), 0u32..16_777_217, media).prop_map(|(commit, length, media)| {
        BTreeMap::from([
            ("commit".to_owned(), Json::from(commit.to_hex())),
            ("length".to_owned(), Json::from(length)),
            ("mediaType".to_owned(), Json::from(media)),
        ])
    })
}

/// A value of a declared type; `inline` says whether free text may be inline.
fn value(kind: FieldType, inline: bool) -> BoxedStrategy<Json> {
    match kind {
        FieldType::Text if inline => prop_oneof![
            text(200).prop_map(Json::Text),
            commitment().prop_map(Json::Object)
        ]
        .boxed(),
        FieldType::Text => commitment().prop_map(Json::Object).boxed(),
        FieldType::Word(max) => text(usize::from(max)).prop_map(Json::Text).boxed(),
        FieldType::Code(codes) => select(codes.to_vec()).prop_map(Json::from).boxed(),
        FieldType::ProfileCode => "[A-Z0-9_]{1,40}".prop_map(Json::from).boxed(),
        FieldType::Department | FieldType::Post | FieldType::Officer => id().prop_map(Json::from).boxed(),
        FieldType::Date => date().prop_map(|date| Json::from(date.to_string())).boxed(),
        FieldType::Instant => timestamp()
            .prop_map(|stamp| Json::from(stamp.to_string()))
            .boxed(),
        FieldType::Integer(low, high) => (low..=high).prop_map(Json::Int).boxed(),
        FieldType::Flag => any::<bool>().prop_map(Json::Bool).boxed(),
        FieldType::Event | FieldType::Hash => hash().prop_map(|hash| Json::from(hash.to_hex())).boxed(),
        FieldType::Key => hash().prop_map(|hash| Json::from(hash.to_base64())).boxed(),
        FieldType::Items => proptest::collection::btree_set(1i64..=256, 1..5)
            .prop_map(|items| Json::Array(items.into_iter().map(Json::Int).collect()))
            .boxed(),
        FieldType::List(of, max) => {
            proptest::collection::vec(value(*of, inline), 1..=usize::from(max).min(4))
                .prop_map(|list| Json::Array(numbered(list)))
                .boxed()
        }
        FieldType::Object(fields) => body(fields, inline).boxed(),
    }
}

/// Gives objects with a `number` rising ones.
fn numbered(mut list: Vec<Json>) -> Vec<Json> {
    for (place, value) in list.iter_mut().enumerate() {
        if let Json::Object(members) = value
            && members.contains_key("number")
        {
            members.insert("number".to_owned(), Json::Int(place as i64 * 3 + 1));
        }
    }
    list
}

/// An object with declared fields; the optional ones come and go.
fn body(fields: &'static [Field], inline: bool) -> BoxedStrategy<Json> {
    let mut all = Just(BTreeMap::new()).boxed();
    for field in fields {
        let field_value = value(field.kind, inline).prop_map(Some);
        let member = if field.required {
            field_value.boxed()
        } else {
            prop_oneof![Just(None), field_value].boxed()
        };
        all = (all, member)
            .prop_map(|(mut members, value): (BTreeMap<String, Json>, Option<Json>)| {
                if let Some(value) = value {
                    members.insert(field.name.to_owned(), value);
                }
                members
            })
            .boxed();
    }
    all.prop_map(Json::Object).boxed()
}

fn signers(kind: Option<EventKind>) -> BoxedStrategy<Json> {
    let signer = |roles: &[&str], post: String, officer: Option<String>| {
        let mut members = BTreeMap::from([
            ("post".to_owned(), Json::from(post)),
            ("roles".to_owned(), Json::from(roles.to_vec())),
        ]);
        if let Some(officer) = officer {
            members.insert("officer".to_owned(), Json::from(officer));
        }
        Json::Object(members)
    };
    if kind.is_some_and(|kind| kind.case_kind() == CaseKind::Roster) {
        return (id(), id())
            .prop_map(move |(post, officer)| {
                Json::Array(vec![signer(&["administrator"], post, Some(officer))])
            })
            .boxed();
    }
    prop_oneof![
        (id(), id()).prop_map(move |(post, officer)| {
            Json::Array(vec![signer(&["drafter", "approver"], post, Some(officer))])
        }),
        (id(), id(), proptest::collection::vec(id(), 0..4)).prop_map(move |(post, officer, others)| {
            let mut list = vec![signer(&["drafter"], post, Some(officer))];
            list.extend(others.into_iter().map(|other| signer(&["approver"], other, None)));
            Json::Array(list)
        }),
    ]
    .boxed()
}

fn maybe(value: impl Strategy<Value = Json> + 'static) -> BoxedStrategy<Option<Json>> {
    prop_oneof![2 => Just(None), 1 => value.prop_map(Some)].boxed()
}

/// The members of the envelope that are optional and free of conditions.
fn extras() -> impl Strategy<Value = Vec<(&'static str, Option<Json>)>> {
    let hex = || hash().prop_map(|hash| Json::from(hash.to_hex()));
    let pair = |first: &'static str, second: &'static str| {
        (text(120), text(120))
            .prop_map(move |(a, b)| Json::object([(first, Json::from(a)), (second, Json::from(b))]))
    };
    let after = proptest::collection::btree_set(hash(), 1..5)
        .prop_map(|set| Json::Array(set.iter().map(|hash| Json::from(hash.to_hex())).collect()));
    let attachments = proptest::collection::vec((commitment(), text(120)), 1..4).prop_map(|list| {
        let named = list.into_iter().map(|(mut members, name)| {
            members.insert("name".to_owned(), Json::from(name));
            Json::Object(members)
        });
        Json::Array(named.collect())
    });
    let paper = (hash(), 1u32..=256, any::<Index>()).prop_map(|(id, of, part)| {
        let part = u32::try_from(part.index(of as usize)).unwrap() + 1;
        Json::object([
            ("id", Json::from(id.to_hex())),
            ("of", Json::from(of)),
            ("part", Json::from(part)),
        ])
    });
    let basis = proptest::collection::vec(pair("act", "article"), 1..4).prop_map(Json::Array);
    (
        maybe(after),
        maybe(attachments),
        maybe(paper),
        maybe(basis),
        maybe(pair("number", "system")),
        maybe(text(120).prop_map(Json::Text)),
        maybe(date().prop_map(|date| Json::from(date.to_string()))),
        maybe(hex()),
        maybe(hex()),
    )
        .prop_map(
            |(after, attachments, paper, basis, reference, doc_no, effective, mandate, corrects)| {
                vec![
                    ("after", after),
                    ("attachments", attachments),
                    ("paper", paper),
                    ("legalBasis", basis),
                    ("externalRef", reference),
                    ("docNo", doc_no),
                    ("effective", effective),
                    ("mandate", mandate),
                    ("corrects", corrects),
                ]
            },
        )
}

fn envelope(
    kind: Option<EventKind>,
    kind_text: String,
    body: BoxedStrategy<Json>,
    narrow: bool,
) -> BoxedStrategy<Json> {
    let names_case = match kind {
        Some(kind) => Just(!kind.opens_case() && kind.case_kind() != CaseKind::Roster).boxed(),
        None => any::<bool>().boxed(),
    };
    (
        (federation(), departments(1), any::<Index>(), any::<Index>()),
        (
            timestamp(),
            any::<[u8; 16]>(),
            select(vec!["own", "paper", "import"]),
        ),
        (signers(kind), body, extras(), names_case, hash()),
    )
        .prop_map(
            move |(
                (federation, audience, author, reach),
                (issued, nonce, source),
                (signers, body, extras, names_case, case),
            )| {
                let list = |names: &[&str]| Json::from(names.to_vec());
                let mut members: BTreeMap<String, Json> = BTreeMap::new();
                let mut put = |name: &str, value: Json| drop(members.insert(name.to_owned(), value));
                put("federation", Json::from(federation.to_string()));
                put("department", Json::from(audience[author.index(audience.len())]));
                put("kind", Json::from(kind_text.as_str()));
                put("issued", Json::from(issued.to_string()));
                put(
                    "nonce",
                    Json::from(Hash([nonce, nonce].concat().try_into().unwrap()).to_hex()[..32].to_owned()),
                );
                put("source", Json::from(source));
                put("signers", signers);
                put("body", body);
                put(
                    "audience",
                    if narrow {
                        list(&audience)
                    } else {
                        Json::from("all")
                    },
                );
                let addressed = &audience[..reach.index(audience.len() + 1)];
                if !addressed.is_empty() {
                    put("to", list(addressed));
                }
                if names_case {
                    put("case", Json::from(case.to_hex()));
                }
                for (name, value) in extras {
                    if let Some(value) = value {
                        put(name, value);
                    }
                }
                Json::Object(members)
            },
        )
        .boxed()
}

/// The JSON object of a valid event of a kind.
pub(crate) fn event_json(kind: EventKind) -> BoxedStrategy<Json> {
    any::<bool>()
        .prop_flat_map(move |narrow| {
            envelope(
                Some(kind),
                kind.as_str().to_owned(),
                body(kind.fields(), !narrow),
                narrow,
            )
        })
        .boxed()
}

/// A valid event of a kind.
pub(crate) fn event(kind: EventKind) -> BoxedStrategy<Event> {
    event_json(kind)
        .prop_map(|json| Event::from_json(&json).unwrap_or_else(|error| panic!("{error}: {json:?}")))
        .boxed()
}

/// A valid event of any known kind, or of one that is not known.
pub(crate) fn any_event() -> BoxedStrategy<Event> {
    let known = select(EventKind::ALL.to_vec()).prop_flat_map(event);
    let unknown = ("[a-z]{1,8}\\.x[a-z0-9-]{0,8}", any::<bool>()).prop_flat_map(|(kind, narrow)| {
        let inside = proptest::collection::btree_map("[ -~]{0,6}", text(8).prop_map(Json::Text), 0..4);
        envelope(None, kind, inside.prop_map(Json::Object).boxed(), narrow)
    });
    let unknown =
        unknown.prop_map(|json| Event::from_json(&json).unwrap_or_else(|error| panic!("{error}: {json:?}")));
    prop_oneof![5 => known, 1 => unknown].boxed()
}

/// A note of a text, with one line per name.
pub(crate) fn note(text: String, names: Vec<String>) -> impl Strategy<Value = Note> {
    let count = names.len();
    proptest::collection::vec((any::<[u8; 4]>(), any::<[u8; 32]>()), count).prop_map(move |keys| Note {
        text: text.clone(),
        lines: keys
            .into_iter()
            .zip(&names)
            .map(|((key_id, half), name)| SignatureLine {
                name: name.clone(),
                key_id,
                signature: [half, half].concat(),
            })
            .collect(),
    })
}

/// A whole event note, with a line per signer.
pub(crate) fn event_note() -> impl Strategy<Value = Note> {
    any_event().prop_flat_map(|event| {
        let names = (0..event.signers.len())
            .map(|place| format!("{}/{}/o-{place}", event.federation, event.department))
            .collect();
        note(event.to_text(), names)
    })
}

fn origin() -> impl Strategy<Value = Origin> {
    (federation(), id(), 1u32..).prop_map(|(federation, department, epoch)| Origin {
        federation,
        department: DepartmentId::parse(&department).unwrap(),
        epoch,
    })
}

fn heads(low: usize, high: usize) -> impl Strategy<Value = Vec<NamedHead>> {
    let size = 1u64..=i64::MAX.unsigned_abs();
    proptest::collection::btree_map(origin(), (size, hash()), low..high).prop_map(|map| {
        map.into_iter()
            .map(|(origin, (size, root))| NamedHead {
                origin,
                head: TreeHead { size, root },
            })
            .collect()
    })
}

pub(crate) fn statement() -> impl Strategy<Value = Statement> {
    prop_oneof![
        heads(1, 5).prop_map(Statement::Heads),
        proptest::collection::btree_set(hash(), 1..5)
            .prop_map(|set| Statement::Arrivals(set.into_iter().map(EventId).collect())),
        (origin(), 1u64..1 << 40, hash(), hash())
            .prop_filter("two roots", |(_, _, held, other)| held != other)
            .prop_map(|(origin, size, held, other)| Statement::Fork {
                origin,
                size,
                held,
                other
            }),
    ]
}

pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let payload = prop_oneof![
        event_note().prop_map(|note| note.to_string()),
        statement().prop_map(|statement| statement.to_text()),
        "[ -~\n]{1,40}",
    ];
    let header = (
        origin(),
        0..=i64::MAX.unsigned_abs(),
        hash(),
        timestamp(),
        (0u64..1 << 40, hash()),
        heads(0, 5),
    );
    (header, payload).prop_map(
        |((origin, index, prev, recorded, (version, hash), heads), payload)| Entry {
            header: EntryHeader {
                heads: heads.into_iter().filter(|head| head.origin != origin).collect(),
                origin,
                index,
                prev,
                recorded,
                registry: RegistryRef { version, hash },
            },
            payload,
        },
    )
}

fn department_record() -> impl Strategy<Value = DepartmentRecord> {
    let words = (text(120), text(120), select(LEVELS.to_vec()), text(40));
    let keys = (hash(), hash(), id());
    let roles = subsequence(Role::ALL.to_vec(), 1..=Role::ALL.len());
    (words, keys, roles).prop_map(
        |((name_en, name_zh, level, area), (log, administrator, officer), roles)| DepartmentRecord {
            id: DepartmentId::parse("placeholder").unwrap(),
            name_en,
            name_zh,
            level: level.to_owned(),
            area,
            parent: None,
            line: None,
            profile: "p".to_owned(),
            calendar: "c".to_owned(),
            node: NodeId::parse("n").unwrap(),
            log_key: log.0,
            administrator: Administrator {
                officer: OfficerId::parse(&officer).unwrap(),
                key: administrator.0,
            },
            roles,
        },
    )
}

/// A whole founding: each department is below an earlier one or none.
pub(crate) fn genesis() -> impl Strategy<Value = Genesis> {
    let records = proptest::collection::vec(
        (department_record(), any::<Index>(), any::<bool>(), any::<bool>()),
        1..6,
    );
    (records, id(), any::<bool>(), timestamp(), 1u32.., hash()).prop_map(
        |(records, name, trial, created, ruleset, transport)| {
            let department = |place: usize| DepartmentId::parse(DEPARTMENTS[place]).unwrap();
            let count = records.len();
            let departments: Vec<DepartmentRecord> = records
                .into_iter()
                .enumerate()
                .map(|(place, (record, above, parent, line))| DepartmentRecord {
                    id: department(place),
                    parent: (parent && place > 0).then(|| department(above.index(place.max(1)))),
                    line: (line && place > 0).then(|| department(above.index(place.max(1)))),
                    ..record
                })
                .collect();
            Genesis {
                name,
                trial,
                created,
                ruleset,
                registrar: department(count - 1),
                quorum: u16::try_from(count / 2 + 1).unwrap(),
                nodes: vec![NodeRecord {
                    id: NodeId::parse("n").unwrap(),
                    operator: department(0),
                    transport_key: transport.0,
                }],
                departments,
                profiles: vec![Json::object([("id", Json::from("p"))])],
                calendars: vec![Json::object([("id", Json::from("c"))])],
            }
        },
    )
}

fn right() -> impl Strategy<Value = Right> {
    let department = || id().prop_map(|id| DepartmentId::parse(&id).unwrap());
    prop_oneof![
        department().prop_map(|department| Right::Membership { department }),
        (department(), select(Role::ALL.to_vec()))
            .prop_map(|(department, role)| Right::Role { department, role }),
        (department(), id(), hash()).prop_map(|(department, officer, key)| Right::Administrator {
            department,
            officer: OfficerId::parse(&officer).unwrap(),
            key: key.0,
        }),
    ]
}

pub(crate) fn governance() -> impl Strategy<Value = Governance> {
    let change = prop_oneof![
        department_record().prop_map(|record| Change::DepartmentAdmitted(Box::new(record))),
        right().prop_map(Change::RightGiven),
        (2u32..).prop_map(Change::RulesetAdopted),
        (right(), origin(), 0u64..1 << 53, hash()).prop_map(|(right, origin, size, root)| {
            let origin = Origin {
                department: right.department().clone(),
                ..origin
            };
            Change::RightTaken {
                right,
                at: NamedHead {
                    origin,
                    head: TreeHead { size, root },
                },
            }
        }),
    ];
    (
        federation(),
        1u64..1 << 53,
        hash(),
        timestamp(),
        proptest::collection::vec(change, 1..4),
    )
        .prop_map(|(federation, version, previous, issued, changes)| Governance {
            federation,
            version,
            previous,
            issued,
            changes,
        })
}

pub(crate) fn opening() -> impl Strategy<Value = Opening> {
    (
        origin(),
        1u32..1000,
        0u64..1 << 53,
        hash(),
        hash(),
        timestamp(),
        ".{1,40}",
    )
        .prop_map(|(origin, later, size, root, key, issued, reason)| {
            let old = Origin {
                epoch: origin.epoch.min(u32::MAX - 1000),
                ..origin
            };
            Opening {
                federation: old.federation.clone(),
                origin: Origin {
                    epoch: old.epoch + later,
                    ..old.clone()
                },
                old: NamedHead {
                    origin: old,
                    head: TreeHead { size, root },
                },
                log_key: key.0,
                issued,
                reason,
            }
        })
}

/// A change of bytes: replace, insert, remove, repeat or cut.
#[derive(Debug, Clone)]
pub(crate) enum Mutation {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
    Cut(Index, Index),
    Swap(Index, Index),
}

pub(crate) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let byte = prop_oneof![any::<u8>(), select(b"\n\"{}[],:0 -=\\./+A\r".to_vec())];
    let one = prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        any::<Index>().prop_map(Mutation::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Mutation::Repeat(a, b)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Mutation::Cut(a, b)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Mutation::Swap(a, b)),
    ];
    proptest::collection::vec(one, 1..4)
}

pub(crate) fn mutate(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        let count = bytes.len();
        let span = |a: &Index, b: &Index| {
            let (a, b) = (a.index(count), b.index(count));
            (a.min(b), a.max(b).min(a.min(b) + 200))
        };
        match mutation {
            Mutation::Replace(at, byte) => bytes[at.index(count)] = *byte,
            Mutation::Insert(at, byte) => bytes.insert(at.index(count), *byte),
            Mutation::Remove(at) => drop(bytes.remove(at.index(count))),
            Mutation::Repeat(a, b) => {
                let (from, to) = span(a, b);
                let again = bytes[from..to].to_vec();
                bytes.splice(to..to, again);
            }
            Mutation::Cut(a, b) => {
                let (from, to) = span(a, b);
                bytes.drain(from..to);
            }
            Mutation::Swap(a, b) => bytes.swap(a.index(count), b.index(count)),
        }
    }
    bytes
}

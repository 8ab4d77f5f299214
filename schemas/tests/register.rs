//! The register of formats in `schemas/README.md` against the pages and vectors that exist.
#![cfg(test)]

use std::collections::BTreeSet;
use std::path::Path;

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names(folder: &str) -> BTreeSet<String> {
    std::fs::read_dir(home().join(folder))
        .unwrap()
        .map(|file| format!("{folder}/{}", file.unwrap().file_name().into_string().unwrap()))
        .collect()
}

/// The targets of the links in a text.
fn links(text: &str) -> BTreeSet<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

#[test]
fn every_page_and_every_folder_of_vectors_is_in_the_register() {
    let register = links(&std::fs::read_to_string(home().join("README.md")).unwrap());
    for target in &register {
        assert!(
            home().join(target).exists(),
            "the register links {target}, which does not exist"
        );
    }
    let mut exist = names("spec");
    exist.extend(names("vectors"));
    exist.remove("vectors/README.md");
    for name in exist {
        assert!(
            register.contains(&name),
            "{name} is missing from the register in schemas/README.md"
        );
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in names("spec") {
        let text = std::fs::read_to_string(home().join(&page)).unwrap();
        for target in links(&text).iter().filter(|target| !target.contains("://")) {
            let target = target.split('#').next().unwrap();
            assert!(
                home().join("spec").join(target).exists(),
                "{page} links {target}, which does not exist"
            );
        }
    }
}

//! A Chinese reader meets no English sentence: every command, its failures included, is run and looked through.

use super::trial::{REQUEST, Trial};
use std::fs;

/// How many English words in a row are a sentence; ids, codes, file names and commands are no words.
const WORDS_MAX: usize = 2;

/// Returns the first run of English words that is longer than names and codes are.
fn english(text: &str) -> Option<String> {
    // What stands between backquotes is to be typed.
    let spoken: String = text.split('`').step_by(2).collect::<Vec<_>>().join(" | ");
    for line in spoken.lines() {
        let mut run: Vec<&str> = Vec::new();
        // Two blanks stand between columns, a comma between ids.
        for token in line.split(' ').chain([""]) {
            // A command that is shown is to be typed as it is.
            if token == "tally" {
                break;
            }
            let word = token
                .trim_end_matches([',', '.', ':', ';', ')'])
                .trim_start_matches('(');
            let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
            if is_word {
                run.push(word);
            }
            if !is_word || token.ends_with(',') {
                if run.len() > WORDS_MAX {
                    return Some(run.join(" "));
                }
                run.clear();
            }
        }
    }
    None
}

#[test]
fn a_sentence_is_told_from_names_and_codes() {
    assert!(english("错误：the log of police does not hold").is_some());
    assert!(english("提示：`tally draft new request.granted --case x` 逐项起草").is_none());
    assert!(english("housing/req-2026-0001  request  pending").is_none());
    assert!(english("主送  civil, data").is_none());
}

#[test]
fn every_command_speaks_chinese_also_when_it_fails() {
    let trial = Trial::start();
    let case = trial.request();
    fs::write(trial.desk().join("bad.toml"), "kind = \"request.granted\nitems").unwrap();
    fs::write(
        trial.desk().join("odd.toml"),
        "kind = \"request.granted\"\ndocno = \"1\"\n",
    )
    .unwrap();
    fs::write(trial.desk().join("no.note"), "no note").unwrap();
    fs::create_dir_all(trial.desk().join("empty")).unwrap();
    fs::write(trial.home().join("officers/broken.toml"), "nod = 1").unwrap();
    trial
        .tally("civil-c-01", "log export --origin civil --to good")
        .ok();
    trial
        .tally("civil-c-01", "log export --origin civil --to torn")
        .ok();
    fs::write(trial.desk().join("torn/checkpoint"), "nothing").unwrap();
    let sent = trial.send("civil-c-01", REQUEST);
    let id = "0".repeat(64);
    let runs: Vec<(&str, String)> = [
        ("civil-c-01", "inbox".to_owned()),
        ("civil-c-01", "inbox --department nowhere".to_owned()),
        ("civil-c-01", "inbox --department NOWHERE".to_owned()),
        ("civil-c-01", "due --explain".to_owned()),
        ("civil-c-01", "due --overdue".to_owned()),
        ("civil-c-01", format!("show {case}")),
        ("civil-c-01", "show civil/req-2026-0099".to_owned()),
        ("civil-c-01", "show nonsense".to_owned()),
        ("civil-c-01", format!("trail {case}")),
        ("civil-c-01", format!("read {case}")),
        ("civil-c-01", "read civil/req-2026-0001".to_owned()),
        ("civil-c-01", "read civil/9999".to_owned()),
        ("civil-c-01", "list requests".to_owned()),
        ("civil-c-01", "list tasks".to_owned()),
        ("civil-c-01", "list nothing".to_owned()),
        ("civil-c-01", "list requests --stage nowhere".to_owned()),
        ("civil-c-01", "form".to_owned()),
        ("civil-c-01", "form request.refused".to_owned()),
        ("civil-c-01", "form request.nothing".to_owned()),
        ("civil-c-01", "members".to_owned()),
        ("civil-c-01", "members housing".to_owned()),
        ("civil-c-01", "members nowhere".to_owned()),
        ("civil-c-01", "roster show".to_owned()),
        ("civil-c-01", "roster add roster.enrolled --field officer=x --field key=abc".to_owned()),
        ("civil-adm", "roster add roster.appointed --field officer=c-77 --field post=clerk --field from=2026-01-05".to_owned()),
        ("civil-adm", "roster add roster.appointed --field officer=c-01 --field post=none --field from=2026-01-05".to_owned()),
        ("civil-c-01", "roster add request.filed".to_owned()),
        ("civil-c-01", "draft list".to_owned()),
        ("civil-c-01", "draft new".to_owned()),
        ("civil-c-01", "draft new request.grantd".to_owned()),
        ("civil-c-01", format!("draft new request.granted --case {case} --send")),
        ("civil-c-01", format!("draft new request.granted --case {case} --field items=1 --field from=2026-02-01 --field to=2026-12-31 --field mode=query --send")),
        ("civil-c-01", format!("draft new request.delivered --case {case} --field items=1 --field mode=query --field deliveredOn=2026-01-05 --send")),
        ("civil-c-01", format!("draft new request.withdrawn --case {case} --field reason=x --legal-basis nothing --send")),
        ("civil-c-01", "draft new request.refused --field items=none".to_owned()),
        ("civil-c-01", "draft new request.refused --field nothing".to_owned()),
        ("civil-c-01", "draft new --form bad.toml".to_owned()),
        ("civil-c-01", "draft new --form odd.toml".to_owned()),
        ("civil-c-01", "draft new --form missing.toml".to_owned()),
        ("civil-c-01", format!("draft show {sent}")),
        ("civil-c-02", format!("draft show {sent}")),
        ("housing-h-01", format!("draft show {sent}")),
        ("civil-c-02", "draft approve".to_owned()),
        ("civil-c-02", format!("draft approve {sent}")),
        ("civil-c-01", format!("draft approve {sent} --yes")),
        ("civil-c-02", format!("draft withdraw {sent}")),
        ("civil-c-02", format!("draft return {sent} --comment 请补充")),
        ("civil-c-02", format!("draft approve {sent} --yes")),
        ("civil-c-01", format!("draft edit {sent}")),
        ("civil-c-01", "draft send missing.toml".to_owned()),
        ("civil-c-01", "submit no.note".to_owned()),
        ("civil-c-01", "submit missing.note".to_owned()),
        ("civil-c-01", format!("proof {case}")),
        ("civil-c-01", format!("proof {id}")),
        ("civil-c-01", "proof xyz".to_owned()),
        ("civil-c-01", format!("proof {case} --from empty")),
        ("civil-c-01", "log export --origin civil --to good".to_owned()),
        ("civil-c-01", "log export --origin housing --to fresh".to_owned()),
        ("civil-c-01", "log export --origin nowhere --to none".to_owned()),
        ("civil-c-01", "log verify good".to_owned()),
        ("civil-c-01", "log verify torn".to_owned()),
        ("civil-c-01", "log verify empty".to_owned()),
        ("civil-c-01", format!("wait {case}")),
        ("civil-c-01", format!("wait {case} --until replicated")),
        ("civil-c-01", format!("wait {id} --timeout 1")),
        ("civil-c-01", format!("wait {case} --hosts 9 --timeout 1")),
        ("civil-c-01", "key show missing.key".to_owned()),
        ("civil-c-01", "key show no.note".to_owned()),
        ("civil-c-01", "key new --to keys --department civil --officer c-09".to_owned()),
        ("civil-c-01", "key new --to keys --department civil --officer c-09".to_owned()),
        ("civil-c-01", "governance give nothing --department data --save x.note".to_owned()),
        ("lead-adm", "governance give audit --department data --save give.note".to_owned()),
        ("civil-adm", "governance sign give.note".to_owned()),
        ("lead-adm", "submit give.note".to_owned()),
        ("lead-adm", "governance sign no.note".to_owned()),
        ("civil-c-01", "federation create missing.toml --to new".to_owned()),
        ("civil-c-01", "federation create bad.toml --to new".to_owned()),
        ("civil-c-01", "federation create odd.toml --to new".to_owned()),
        ("civil-c-01", "play bad.toml --to new".to_owned()),
        ("civil-c-01", "--node http://127.0.0.1:9 inbox".to_owned()),
        ("civil-c-01", "--node nonsense inbox".to_owned()),
        ("civil-c-01", "--key missing.key draft list".to_owned()),
        ("civil-c-01", "--key no.note draft list".to_owned()),
        ("civil-c-01", "--trust no.note members".to_owned()),
        ("broken", "inbox".to_owned()),
        ("nobody", "inbox".to_owned()),
        ("civil-c-01", "nothing".to_owned()),
        ("civil-c-01", "inbox --nothing".to_owned()),
        ("civil-c-01", "log export --origin".to_owned()),
        ("civil-c-01", "log export --origin a --origin b --to x".to_owned()),
        ("civil-c-01", "wait x --timeout soon".to_owned()),
        ("civil-c-01", "proof x --to a --from b".to_owned()),
        ("civil-c-01", "--help".to_owned()),
        ("civil-c-01", "draft new --help".to_owned()),
    ]
    .into();
    let mut found = Vec::new();
    for (officer, line) in &runs {
        let done = trial.tally_in("zh", officer, line);
        for text in [&done.out, &done.err] {
            if let Some(sentence) = english(text) {
                found.push(format!("{line}: {sentence:?} in\n{text}"));
            }
        }
        for text in [&done.out, &done.err] {
            if text.contains("暂无中文") {
                let told = trial.tally_in("en", officer, line);
                found.push(format!("{line}: no Chinese for {}{}", told.out, told.err));
            }
        }
        let silent = done.out.is_empty() && done.err.is_empty();
        assert!(!silent, "{line} says nothing");
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

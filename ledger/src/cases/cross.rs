//! What only another case can tell: the visible status *irregular*.
//!
//! Never a verdict and never part of a state: folding a case reads no other case. Where it matters what came first, the
//! recorded times of the two cases are compared, since nothing else orders them.

use super::law::{Mark, Weight};
use super::source::AsOf;
use super::state::{CaseState, Fact};
use super::table::Stage;
use super::versions;
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::genesis::Role;
use tally_schemas::id::{DepartmentId, EventId};
use tally_schemas::json::Json;
use tally_schemas::profile::SharingClass;

/// Returns what is irregular about one act of a case.
pub fn irregular(state: &CaseState, fact: &Fact, asof: &AsOf<'_>) -> Vec<Mark> {
    let mut marks = Vec::new();
    match fact.kind {
        K::RequestFiled => request(fact, asof, &mut marks),
        K::RequestGranted => conditions(state, fact, asof, &mut marks),
        K::FindingOpened => {
            mandate(fact, fact.event.body.department("object"), asof, &mut marks);
            order(fact, asof, &mut marks);
        }
        K::FindingReassigned => {
            if let Some(opening) = state.opening() {
                mandate(opening, fact.event.body.department("object"), asof, &mut marks);
            }
        }
        K::MatterProposed | K::MatterInstructed => repeated(state, fact, asof, &mut marks),
        K::TaskIssued => {
            if let Some(parent) = fact.event.body.event("parent")
                && !may_be_task(parent, asof)
            {
                marks.push(Mark::new("parent-unknown", Weight::Flag).with("parent", parent));
            }
        }
        K::TaskDecomposed => {
            let children = fact.event.body.list("children").iter();
            for child in children
                .filter_map(event_id)
                .filter(|child| !may_be_task(*child, asof))
            {
                marks.push(Mark::new("child-unknown", Weight::Flag).with("child", child));
            }
        }
        _ => {}
    }
    marks
}

fn event_id(json: &Json) -> Option<EventId> {
    let hash = tally_schemas::id::Hash::parse_hex(json.as_text()?);
    hash.ok().map(EventId)
}

fn may_be_task(id: EventId, asof: &AsOf<'_>) -> bool {
    asof.source.is_not_understood(&id) || asof.case(&id).is_some_and(|case| case.kind == CaseKind::Task)
}

/// Checks a request against the entry and version that it names.
fn request(fact: &Fact, asof: &AsOf<'_>, marks: &mut Vec<Mark>) {
    let body = &fact.event.body;
    let Some(entry_id) = body.event("entry") else {
        marks.push(Mark::new("entry-not-named", Weight::Flag));
        return;
    };
    let Some(profile) = asof.profile_of(&fact.by) else {
        return;
    };
    if asof.source.is_not_understood(&entry_id) {
        return;
    }
    let mark = |code, weight| Mark::new(code, weight).with("entry", entry_id);
    let entry = asof
        .case(&entry_id)
        .filter(|case| case.kind == CaseKind::Catalogue);
    let Some(entry) = entry else {
        marks.push(mark("entry-unknown", Weight::Defect));
        return;
    };
    let before = |other: &Fact| other.recorded <= fact.recorded;
    let retired = entry
        .facts_of(K::CatalogueRetired)
        .find(|retired| before(retired) && !retired.moved.is_empty());
    if let Some(retired) = retired {
        let on = asof.day_at(&retired.by, retired.recorded);
        marks.push(mark("entry-retired", Weight::Defect).with("retired", on));
    }
    let named = body.integer("entryVersion");
    let published: Vec<_> = versions::all(&entry)
        .into_iter()
        .filter(|version| before(version.published))
        .collect();
    let version = match named {
        Some(number) => published.iter().find(|version| version.number == number),
        None => published.last(),
    };
    let Some(version) = version else {
        let named = named.map_or_else(|| "-".to_owned(), |number| number.to_string());
        marks.push(mark("entry-unpublished", Weight::Defect).with("version", named));
        return;
    };
    if let Some(newest) = published.last().filter(|newest| newest.number > version.number) {
        marks.push(
            mark("entry-version-old", Weight::Flag)
                .with("version", version.number)
                .with("newest", newest.number),
        );
    }
    let class = body.word("class").and_then(SharingClass::parse);
    match version.class() {
        Some(SharingClass::NoShare) => {
            let rule = profile.classes.get(&SharingClass::NoShare);
            marks
                .push(mark("entry-no-share", Weight::Defect).at(rule.and_then(|rule| rule.article.as_ref())));
        }
        published if published != class => {
            let text = |class: Option<SharingClass>| class.map_or("-", SharingClass::as_str);
            marks.push(
                mark("class-differs", Weight::Defect)
                    .with("class", text(class))
                    .with("published", text(published)),
            );
        }
        _ => {}
    }
    let designated = entry
        .facts_of(K::CatalogueSourceDesignated)
        .rfind(|designated| before(designated))
        .and_then(|designated| designated.event.body.department("source"));
    let asked = fact.event.to.first();
    if asked.is_some_and(|asked| *asked != entry.owner && Some(asked) != designated.as_ref()) {
        marks.push(mark("entry-of-another", Weight::Flag).with("provider", &entry.owner));
    }
}

/// Tells the authority of conditions in an answer that the published entry does not have.
fn conditions(state: &CaseState, fact: &Fact, asof: &AsOf<'_>, marks: &mut Vec<Mark>) {
    let (Some(opening), Some(profile)) = (state.opening(), asof.profile_of(&fact.by)) else {
        return;
    };
    let body = &opening.event.body;
    let entry = body.event("entry").and_then(|entry| asof.case(&entry));
    let version = entry
        .as_ref()
        .and_then(|entry| versions::of(entry, body.integer("entryVersion")));
    let Some(version) = version else { return };
    let known = version.content.event.body.list("conditions");
    for condition in fact.event.body.list("conditions") {
        let text = condition
            .member("text")
            .and_then(Json::as_text)
            .unwrap_or_default();
        if !known.iter().any(|known| known.as_text() == Some(text)) {
            marks.push(
                Mark::new("condition-not-in-entry", Weight::Alarm)
                    .violating("P2", profile)
                    .with("condition", text)
                    .with("version", version.number),
            );
        }
    }
}

/// Checks a finding on a government inspection against the plan that it names.
fn mandate(opening: &Fact, object: Option<DepartmentId>, asof: &AsOf<'_>, marks: &mut Vec<Mark>) {
    if opening.event.body.word("basis") != Some("inspection") {
        return;
    }
    let Some(named) = opening.event.mandate else {
        return;
    };
    let mark = |code| Mark::new(code, Weight::Defect).with("mandate", named);
    let case = asof.source.case_with(&named);
    if case.is_some_and(|case| asof.source.is_not_understood(&case)) {
        return;
    }
    let case = case.and_then(|case| asof.case(&case));
    let matter = case.filter(|case| case.kind == CaseKind::Matter);
    let found = matter.as_ref().and_then(|matter| {
        let fact = matter.fact(named)?;
        let plan = match fact.kind {
            K::MatterPlanIssued => Some(fact),
            // A finding that names the matter rests on the plan that was in force when it was opened.
            _ => matter
                .facts_of(K::MatterPlanIssued)
                .rfind(|plan| plan.recorded <= opening.recorded),
        };
        Some((matter, plan))
    });
    let Some((matter, plan)) = found else {
        marks.push(mark("mandate-unknown"));
        return;
    };
    let Some(plan) = plan.filter(|plan| plan.overtaken.is_empty() && plan.recorded <= opening.recorded)
    else {
        marks.push(mark("mandate-without-plan"));
        return;
    };
    if matter.stage() != Stage::PlanIssued {
        marks.push(mark("mandate-not-live").with("stage", matter.stage().as_str()));
    }
    let body = &plan.event.body;
    let day = asof.day_at(&opening.by, opening.recorded);
    let (from, to) = (body.date("from"), body.date("to"));
    if from.is_some_and(|from| day < from) || to.is_some_and(|to| day > to) {
        let text = |date: Option<tally_schemas::time::Date>| {
            date.map_or_else(|| "-".to_owned(), |date| date.to_string())
        };
        marks.push(
            mark("mandate-out-of-term")
                .with("from", text(from))
                .with("to", text(to))
                .with("opened", day),
        );
    }
    if let Some(object) = object {
        let mut scope = body.list("scope").iter().filter_map(Json::as_text);
        if !scope.any(|department| department == object.as_str()) {
            marks.push(mark("mandate-out-of-scope").with("object", object));
        }
    }
    if plan.by != opening.by {
        marks.push(mark("mandate-of-another").with("holder", &plan.by));
    }
}

/// Checks that an order to correct comes from the authority or government over its object.
fn order(fact: &Fact, asof: &AsOf<'_>, marks: &mut Vec<Mark>) {
    if fact.event.body.word("basis") != Some("order-to-correct") {
        return;
    }
    let Some(object) = fact.event.body.department("object") else {
        return;
    };
    let registry = asof.registry();
    let version = fact.version;
    if registry.authority_of(&object, version).as_ref() == Some(&fact.by)
        && !registry.has_role(&object, Role::Authority, version)
    {
        return;
    }
    // Over an authority, and for a government, what counts is to stand at or above the object's own level and area.
    let mut place = registry.department(&object, version);
    let mut above = false;
    for _ in 0..=registry.departments(version).count() {
        let Some(record) = place else { break };
        let issuer = registry.department(&fact.by, version);
        above = above
            || record.parent.as_ref() == Some(&fact.by)
            || issuer.is_some_and(|issuer| {
                issuer.id != object && issuer.level == record.level && issuer.area == record.area
            });
        place = record
            .parent
            .as_ref()
            .and_then(|parent| registry.department(parent, version));
    }
    if !above {
        marks.push(
            Mark::new("order-by-another-authority", Weight::Defect)
                .with("object", object)
                .with("by", &fact.by),
        );
    }
}

/// Flags an inspection of an object and topic on which another is open (no repeated, multi-head inspection).
fn repeated(state: &CaseState, fact: &Fact, asof: &AsOf<'_>, marks: &mut Vec<Mark>) {
    let body = &fact.event.body;
    let same = |other: &Fact, field: &str| other.event.body.word(field) == body.word(field);
    const OPEN: [Stage; 3] = [Stage::Proposed, Stage::Approved, Stage::PlanIssued];
    let others = asof.find(false, |id, brief| {
        let open = brief.stages.iter().any(|stage| OPEN.contains(stage));
        brief.kind == Some(CaseKind::Matter) && open && *id != state.id
    });
    for other in others {
        let open = OPEN.contains(&other.stage());
        let opening = other.opening().filter(|opening| {
            open && opening.recorded <= fact.recorded && same(opening, "object") && same(opening, "topic")
        });
        if opening.is_some() {
            marks.push(Mark::new("inspection-repeated", Weight::Flag).with("matter", other.id));
        }
    }
}

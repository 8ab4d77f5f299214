//! Changes as server-sent events.

use super::{Api, ApiError};
use crate::runtime::Change;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use std::convert::Infallible;
use std::time::Duration;
use tally_schemas::api::ChangedBody;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::{Stream, StreamExt};

/// How often a silent stream shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /v1/watch`.
pub(super) async fn watch(
    State(api): State<Api>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let node = api.slot.node()?;
    let changes = node.watch();
    let heads = node.view(|replica| node.heads_digest(replica.world()).to_hex());
    let first = ChangedBody {
        cases: Vec::new(),
        heads,
    };
    let rest = BroadcastStream::new(changes).map(|change| match change {
        Ok(Change::Cases(cases, heads)) => changed(&ChangedBody {
            cases: cases.iter().map(ToString::to_string).collect(),
            heads: heads.to_hex(),
        }),
        Ok(Change::Alarm(text)) => Event::default().event("alarm").data(one_line(&text)),
        Err(BroadcastStreamRecvError::Lagged(count)) => {
            Event::default().event("lagged").data(count.to_string())
        }
    });
    let stream = tokio_stream::once(changed(&first)).chain(rest).map(Ok);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn changed(body: &ChangedBody) -> Event {
    let data = serde_json::to_string(body).unwrap_or_default();
    Event::default().event("changed").data(data)
}

/// A line feed would end the field, a carriage return is refused by the encoder.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

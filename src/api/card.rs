//! `/card/{id}`: the banner of one live call as a small page, for phones that open Call-Info.
//!
//! No script: phones' browsers are old. The id is unguessable and the page is gone with the call (of a training call it then says that it was one); it
//! names no number and no caller, because whoever holds the phone sees those already.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::state::Shared;
use super::view::{number_name, voice_name};
use crate::banner::Banner;
use crate::call::record::State as CallState;
use crate::call_id::CallId;

pub(crate) async fn show(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let id = id.parse::<CallId>().ok();
    let live = id.and_then(|id| shared.gateway.live.call(id));
    let is_over = live
        .as_ref()
        .is_none_or(|record| record.state == CallState::Ended);
    // Known without the store: strangers may ask as often as they like.
    if is_over && id.is_some_and(|id| shared.gateway.drills.was_one(id)) {
        return Html(page("Training call", "", TRAINING)).into_response();
    }
    match live {
        None => (
            StatusCode::NOT_FOUND,
            Html(page("Call ended", "", "<p>This call has ended.</p>")),
        )
            .into_response(),
        Some(record) => {
            let body = match &record.banner {
                None => "<p>Checking this call…</p>".to_string(),
                Some(banner) => card(banner),
            };
            // A banner changes during the call: the page reads itself again.
            Html(page(
                "This call",
                "<meta http-equiv=\"refresh\" content=\"3\">",
                &body,
            ))
            .into_response()
        }
    }
}

/// What whoever took one is told when it is over.
const TRAINING: &str = "<p class=\"say\">This was a training call.</p>\n<p>It was made here, and is counted nowhere. \
                        What you did with it helps to find out what others should be told.</p>";

fn card(banner: &Banner) -> String {
    let reasons: String = banner
        .reasons
        .iter()
        .map(|reason| format!("<li>{}</li>", escaped(reason)))
        .collect();
    let signed: String = [&banner.name_text, &banner.call_reason]
        .into_iter()
        .flatten()
        .map(|line| format!("<p class=\"signed\">{}</p>\n", escaped(line)))
        .collect();
    format!(
        "<p class=\"light number-{}\">{}</p>\n<p class=\"light voice-{}\">{}</p>\n{signed}<ul>{reasons}</ul>\n<p class=\"say\">{}</p>",
        number_name(banner.number),
        escaped(&banner.number_text),
        voice_name(banner.voice),
        escaped(&banner.voice_text),
        escaped(&banner.say),
    )
}

fn page(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\">{head}\
         <link rel=\"stylesheet\" href=\"/console/card.css\"></head>\n<body>{body}</body></html>\n"
    )
}

/// A banner quotes what callers claim: nothing of it may become markup.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_claims_never_becomes_markup() {
        assert_eq!(escaped("<b a='1'>\"&"), "&lt;b a=&#39;1&#39;&gt;&quot;&amp;");
    }
}

//! The console's files: plain HTML, CSS and ES modules, embedded in the binary.
//!
//! No build step, nothing inline, nothing from a third party, so that the strictest
//! Content-Security-Policy holds. Knows nothing of calls: the pages ask the API like any other program.

use aws_lc_rs::digest;
use axum::http::HeaderValue;

/// One embedded file and the address it answers at.
pub struct Asset {
    pub path: &'static str,
    /// Content-Type.
    pub kind: &'static str,
    pub content: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Every file, in the order a page asks for them.
pub const ASSETS: &[Asset] = &[
    Asset {
        path: "/",
        kind: HTML,
        content: include_str!("static/index.html"),
    },
    Asset {
        path: "/docs",
        kind: HTML,
        content: include_str!("static/docs.html"),
    },
    Asset {
        path: "/account",
        kind: HTML,
        content: include_str!("static/account.html"),
    },
    Asset {
        path: "/administration",
        kind: HTML,
        content: include_str!("static/administration.html"),
    },
    Asset {
        path: "/overview",
        kind: HTML,
        content: include_str!("static/overview.html"),
    },
    Asset {
        path: "/favicon.ico",
        kind: SVG,
        content: include_str!("static/mark.svg"),
    },
    Asset {
        path: "/console/mark.svg",
        kind: SVG,
        content: include_str!("static/mark.svg"),
    },
    Asset {
        path: "/console/base.css",
        kind: CSS,
        content: include_str!("static/base.css"),
    },
    Asset {
        path: "/console/console.css",
        kind: CSS,
        content: include_str!("static/console.css"),
    },
    Asset {
        path: "/console/docs.css",
        kind: CSS,
        content: include_str!("static/docs.css"),
    },
    Asset {
        path: "/console/pages.css",
        kind: CSS,
        content: include_str!("static/pages.css"),
    },
    Asset {
        path: "/console/card.css",
        kind: CSS,
        content: include_str!("static/card.css"),
    },
    Asset {
        path: "/console/overview.css",
        kind: CSS,
        content: include_str!("static/overview.css"),
    },
    Asset {
        path: "/console/overview.js",
        kind: SCRIPT,
        content: include_str!("static/overview.js"),
    },
    Asset {
        path: "/console/counts.js",
        kind: SCRIPT,
        content: include_str!("static/counts.js"),
    },
    Asset {
        path: "/console/plot.js",
        kind: SCRIPT,
        content: include_str!("static/plot.js"),
    },
    Asset {
        path: "/console/app.js",
        kind: SCRIPT,
        content: include_str!("static/app.js"),
    },
    Asset {
        path: "/console/alarms.js",
        kind: SCRIPT,
        content: include_str!("static/alarms.js"),
    },
    Asset {
        path: "/console/watch.js",
        kind: SCRIPT,
        content: include_str!("static/watch.js"),
    },
    Asset {
        path: "/console/flood.js",
        kind: SCRIPT,
        content: include_str!("static/flood.js"),
    },
    Asset {
        path: "/console/spending.js",
        kind: SCRIPT,
        content: include_str!("static/spending.js"),
    },
    Asset {
        path: "/console/drills.js",
        kind: SCRIPT,
        content: include_str!("static/drills.js"),
    },
    Asset {
        path: "/console/incident.js",
        kind: SCRIPT,
        content: include_str!("static/incident.js"),
    },
    Asset {
        path: "/console/api.js",
        kind: SCRIPT,
        content: include_str!("static/api.js"),
    },
    Asset {
        path: "/console/dom.js",
        kind: SCRIPT,
        content: include_str!("static/dom.js"),
    },
    Asset {
        path: "/console/words.js",
        kind: SCRIPT,
        content: include_str!("static/words.js"),
    },
    Asset {
        path: "/console/desks.js",
        kind: SCRIPT,
        content: include_str!("static/desks.js"),
    },
    Asset {
        path: "/console/callback.js",
        kind: SCRIPT,
        content: include_str!("static/callback.js"),
    },
    Asset {
        path: "/console/orders.js",
        kind: SCRIPT,
        content: include_str!("static/orders.js"),
    },
    Asset {
        path: "/console/passkeys.js",
        kind: SCRIPT,
        content: include_str!("static/passkeys.js"),
    },
    Asset {
        path: "/console/live.js",
        kind: SCRIPT,
        content: include_str!("static/live.js"),
    },
    Asset {
        path: "/console/model.js",
        kind: SCRIPT,
        content: include_str!("static/model.js"),
    },
    Asset {
        path: "/console/editor.js",
        kind: SCRIPT,
        content: include_str!("static/editor.js"),
    },
    Asset {
        path: "/console/trial.js",
        kind: SCRIPT,
        content: include_str!("static/trial.js"),
    },
    Asset {
        path: "/console/history.js",
        kind: SCRIPT,
        content: include_str!("static/history.js"),
    },
    Asset {
        path: "/console/searches.js",
        kind: SCRIPT,
        content: include_str!("static/searches.js"),
    },
    Asset {
        path: "/console/sound.js",
        kind: SCRIPT,
        content: include_str!("static/sound.js"),
    },
    Asset {
        path: "/console/why.js",
        kind: SCRIPT,
        content: include_str!("static/why.js"),
    },
    Asset {
        path: "/console/moves.js",
        kind: SCRIPT,
        content: include_str!("static/moves.js"),
    },
    Asset {
        path: "/console/ladder.js",
        kind: SCRIPT,
        content: include_str!("static/ladder.js"),
    },
    Asset {
        path: "/console/chart.js",
        kind: SCRIPT,
        content: include_str!("static/chart.js"),
    },
    Asset {
        path: "/console/timeline.js",
        kind: SCRIPT,
        content: include_str!("static/timeline.js"),
    },
    Asset {
        path: "/console/docs.js",
        kind: SCRIPT,
        content: include_str!("static/docs.js"),
    },
    Asset {
        path: "/console/page.js",
        kind: SCRIPT,
        content: include_str!("static/page.js"),
    },
    Asset {
        path: "/console/account.js",
        kind: SCRIPT,
        content: include_str!("static/account.js"),
    },
    Asset {
        path: "/console/administration.js",
        kind: SCRIPT,
        content: include_str!("static/administration.js"),
    },
    Asset {
        path: "/console/campaigns.js",
        kind: SCRIPT,
        content: include_str!("static/campaigns.js"),
    },
    Asset {
        path: "/console/audit.js",
        kind: SCRIPT,
        content: include_str!("static/audit.js"),
    },
    Asset {
        path: "/console/lists.js",
        kind: SCRIPT,
        content: include_str!("static/lists.js"),
    },
    Asset {
        path: "/console/signers.js",
        kind: SCRIPT,
        content: include_str!("static/signers.js"),
    },
    Asset {
        path: "/console/policies.js",
        kind: SCRIPT,
        content: include_str!("static/policies.js"),
    },
    Asset {
        path: "/console/users.js",
        kind: SCRIPT,
        content: include_str!("static/users.js"),
    },
    Asset {
        path: "/console/tokens.js",
        kind: SCRIPT,
        content: include_str!("static/tokens.js"),
    },
];

impl Asset {
    /// Changes when the content does.
    pub fn etag(&self) -> HeaderValue {
        let hash = digest::digest(&digest::SHA256, self.content.as_bytes());
        let short: String = hash
            .as_ref()
            .iter()
            .take(8)
            .map(|octet| format!("{octet:02x}"))
            .collect();
        HeaderValue::try_from(format!("\"{short}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the Content-Security-Policy would block, or what would reach outside.
    #[test]
    fn pages_hold_nothing_inline_and_nothing_from_elsewhere() {
        for asset in ASSETS {
            let at = asset.path;
            for line in asset.content.lines() {
                assert!(
                    !line.contains("http://") || line.contains("www.w3.org"),
                    "{at}: {line}"
                );
                assert!(!line.contains("https://"), "{at}: {line}");
                assert!(
                    !line.contains("innerHTML") && !line.contains("insertAdjacentHTML"),
                    "{at}: {line}"
                );
                assert!(
                    !line.contains("document.write") && !line.contains("eval("),
                    "{at}: {line}"
                );
            }
            if asset.kind == HTML {
                assert!(!asset.content.contains("style="), "{at}: inline style");
                assert!(!asset.content.contains("<style"), "{at}: inline style sheet");
                for script in asset.content.split("<script").skip(1) {
                    assert!(
                        script.trim_start().starts_with("type=\"module\" src="),
                        "{at}: inline script"
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_people_read_calls_a_call_safe_or_a_voice_human() {
        for asset in ASSETS {
            let words = asset.content.to_lowercase();
            assert!(
                !words.contains(" safe") && !words.contains("human"),
                "{}",
                asset.path
            );
        }
    }
}

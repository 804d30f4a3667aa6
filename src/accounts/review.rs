//! The access review: everybody and everything that may sign in, with what it may and when it was used last. For whoever
//! has to see that joiners, movers and leavers have what they should.

use serde::Serialize;
use utoipa::ToSchema;

use super::sessions::Sessions;
use super::tokens::Tokens;
use super::user::User;
use super::{FIRST, Role};

/// One account or token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reviewed {
    /// `account` or `token`.
    #[schema(example = "account")]
    pub kind: &'static str,
    #[schema(example = "ann")]
    pub name: String,
    /// Whose account it is; null for a token.
    pub person: Option<String>,
    pub roles: Vec<Role>,
    /// `open`, `disabled`, `invited` (no password yet), `shut` (neither password nor invitation) or `expired`.
    #[schema(example = "open")]
    pub state: &'static str,
    /// Whether a second factor is enrolled; null for a token.
    pub has_second_factor: Option<bool>,
    /// Unix ms; null for the token of the first start.
    pub made_ms: Option<u64>,
    pub made_by: Option<String>,
    /// When it was used last, Unix ms; null = never, or not since this was first written down.
    pub last_used_ms: Option<u64>,
    /// Since when the password is the same, Unix ms.
    pub password_ms: Option<u64>,
    /// When it opens no longer by itself, Unix ms; null = never.
    pub expires_ms: Option<u64>,
    /// Sessions that are open.
    pub sessions: usize,
    /// Passkeys that are enrolled; null for a token.
    pub passkeys: Option<usize>,
}

/// All of them: accounts by their names, then tokens.
pub fn review<'a>(
    users: impl Iterator<Item = &'a User>,
    tokens: &Tokens,
    sessions: &Sessions,
    now_ms: u64,
) -> Vec<Reviewed> {
    let mut lines: Vec<Reviewed> = users.map(|user| account(user, sessions, now_ms)).collect();
    if tokens.roles(FIRST, now_ms).is_some() {
        lines.push(Reviewed {
            kind: "token",
            name: FIRST.into(),
            person: None,
            roles: vec![Role::Admin],
            state: "open",
            has_second_factor: None,
            made_ms: None,
            made_by: None,
            last_used_ms: tokens.last_used_ms(FIRST),
            password_ms: None,
            expires_ms: None,
            sessions: sessions.count_of_token(FIRST, now_ms),
            passkeys: None,
        });
    }
    lines.extend(tokens.all().into_iter().map(|token| {
        let is_expired = token.expires_ms.is_some_and(|expires| expires <= now_ms);
        Reviewed {
            kind: "token",
            last_used_ms: tokens.last_used_ms(&token.name),
            sessions: sessions.count_of_token(&token.name, now_ms),
            name: token.name,
            person: None,
            roles: token.roles,
            state: if is_expired { "expired" } else { "open" },
            has_second_factor: None,
            made_ms: Some(token.made_ms),
            made_by: Some(token.made_by),
            password_ms: None,
            expires_ms: token.expires_ms,
            passkeys: None,
        }
    }));
    lines
}

fn account(user: &User, sessions: &Sessions, now_ms: u64) -> Reviewed {
    let open = sessions.of(user, now_ms);
    Reviewed {
        kind: "account",
        name: user.name.clone(),
        person: Some(user.person.clone()),
        roles: user.roles.clone(),
        state: user.state(now_ms),
        has_second_factor: Some(user.has_second_factor()),
        made_ms: Some(user.made_ms),
        made_by: Some(user.made_by.clone()),
        last_used_ms: open
            .iter()
            .map(|(_, open)| open.used_ms)
            .chain(user.last_in_ms)
            .max(),
        password_ms: user.password_ms,
        expires_ms: user.invited_until_ms(),
        sessions: open.len(),
        passkeys: Some(user.passkeys().len()),
    }
}

/// The same as CSV (RFC 4180), with the names of its columns in the first row; moments in Unix ms.
pub fn to_csv(lines: &[Reviewed]) -> String {
    let mut text = String::from(
        "kind,name,person,roles,state,has_second_factor,made_ms,made_by,last_used_ms,password_ms,expires_ms,sessions,passkeys\r\n",
    );
    let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    for line in lines {
        let roles: Vec<&str> = line.roles.iter().map(|role| role.name()).collect();
        let cells = [
            line.kind.to_string(),
            cell(&line.name),
            cell(line.person.as_deref().unwrap_or_default()),
            roles.join(" "),
            line.state.to_string(),
            line.has_second_factor
                .map_or_else(String::new, |has| has.to_string()),
            number(line.made_ms),
            cell(line.made_by.as_deref().unwrap_or_default()),
            number(line.last_used_ms),
            number(line.password_ms),
            number(line.expires_ms),
            line.sessions.to_string(),
            line.passkeys
                .map_or_else(String::new, |passkeys| passkeys.to_string()),
        ];
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// One row of such a file.
pub fn to_line(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|text| cell(&text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// What somebody wrote, as text for every spreadsheet: what would be a formula there has a quote before it, blanks before it or
/// not, in whichever width, and also where another sign than the comma parts cells.
fn cell(text: &str) -> String {
    let begins_formula = |text: &str| {
        text.starts_with(['\t', '\r', '\n'])
            || text
                .trim_start()
                .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
    };
    let is_formula = begins_formula(text);
    let is_formula_inside = text.split([';', '\t', '|']).skip(1).any(begins_formula);
    // A semicolon parts cells where the comma is that of decimals, quoted or not unless the row begins with the quote.
    let text = match is_formula_inside {
        true => text.replace([';', '\t', '|'], " "),
        false => text.to_string(),
    };
    let text = format!("{}{text}", if is_formula { "'" } else { "" });
    if text.contains([',', ';', '"', '\t', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text_for_every_spreadsheet() {
        for (text, expected) in [
            ("Ann", "Ann"),
            ("Example, Ann", "\"Example, Ann\""),
            ("Ann \"A\"", "\"Ann \"\"A\"\"\""),
            ("=1+1", "'=1+1"),
            ("@x", "'@x"),
            ("  =1+1", "'  =1+1"),
            ("＝1+1", "'＝1+1"),
            ("\n=1", "\"'\n=1\""),
            ("x;=1+1", "x =1+1"),
            ("x\t@y", "x @y"),
            ("a; b", "\"a; b\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}

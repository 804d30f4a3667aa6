//! Which role may do what: one table over every route, and nothing that is not in it.

use axum::http::Method;

use crate::accounts::Role;

/// Those who see calls: everybody.
const CALLS: &[Role] = &[
    Role::Receptionist,
    Role::Supervisor,
    Role::Analyst,
    Role::PolicyAuthor,
    Role::PolicyApprover,
    Role::Auditor,
];
const DESK: &[Role] = &[Role::Receptionist, Role::Supervisor];
const REPORTS: &[Role] = &[Role::Receptionist, Role::Supervisor, Role::Analyst];
/// Those who look at who sits where, and at what people did: everybody at the phones, and those who watch over them.
const FLOOR: &[Role] = &[Role::Receptionist, Role::Supervisor, Role::Analyst, Role::Auditor];
/// Those who take whole months of calls away.
const EXPORTS: &[Role] = &[Role::Supervisor, Role::Analyst, Role::Auditor];
const MEASURES: &[Role] = &[Role::Supervisor, Role::Analyst, Role::Auditor];
/// Those who read policies and what became of them.
const POLICIES: &[Role] = &[
    Role::Supervisor,
    Role::Analyst,
    Role::PolicyAuthor,
    Role::PolicyApprover,
    Role::Auditor,
];
const AUTHORS: &[Role] = &[Role::PolicyAuthor];
const TRIALS: &[Role] = &[Role::PolicyAuthor, Role::PolicyApprover, Role::Analyst];
const APPROVERS: &[Role] = &[Role::PolicyApprover];
const TAKE_BACK: &[Role] = &[Role::Supervisor, Role::PolicyAuthor, Role::PolicyApprover];
/// Those who change lists, and say which recordings are wanted: an entry may refuse calls, and lets nobody pass as genuine.
const LISTS: &[Role] = &[Role::Supervisor, Role::PolicyAuthor];
/// Those who take alarms.
const ALARMS: &[Role] = &[Role::Supervisor, Role::Analyst];
/// Those who send training calls. Who takes them must not see them coming.
const DRILLS: &[Role] = &[Role::Supervisor, Role::Analyst];
/// Those who pause others, and phones, and end their rests.
const WATCH: &[Role] = &[Role::Supervisor];
/// Those who say that there is a flood, and who is not heard, for a while.
const FLOODS: &[Role] = &[Role::Supervisor];
const AUDITORS: &[Role] = &[Role::Auditor];
/// Administrators may do everything and stand in no line.
const ADMINS: &[Role] = &[];

/// Method, route, and who may beside the administrators.
pub(super) const TABLE: &[(&str, &str, &[Role])] = &[
    ("GET", "/api/v1/calls", CALLS),
    ("GET", "/api/v1/calls/export", EXPORTS),
    ("GET", "/api/v1/reports", EXPORTS),
    ("GET", "/api/v1/reports/people", FLOOR),
    ("GET", "/api/v1/desks", FLOOR),
    ("PUT", "/api/v1/desks/{device}", DESK),
    ("DELETE", "/api/v1/desks/{device}", DESK),
    ("PUT", "/api/v1/desks/{device}/pause", WATCH),
    ("DELETE", "/api/v1/desks/{device}/pause", WATCH),
    ("DELETE", "/api/v1/desks/{device}/rest", WATCH),
    ("PUT", "/api/v1/people/{name}/pause", WATCH),
    ("DELETE", "/api/v1/people/{name}/pause", WATCH),
    ("PUT", "/api/v1/pause", DESK),
    ("DELETE", "/api/v1/pause", DESK),
    ("GET", "/api/v1/calls/{id}", CALLS),
    ("GET", "/api/v1/calls/{id}/why", CALLS),
    ("GET", "/api/v1/calls/{id}/icon", CALLS),
    ("POST", "/api/v1/calls/{id}/report", REPORTS),
    ("POST", "/api/v1/calls/{id}/actions", DESK),
    ("GET", "/api/v1/calls/{id}/call-back", DESK),
    ("POST", "/api/v1/calls/{id}/call-back", DESK),
    ("GET", "/api/v1/events", CALLS),
    ("GET", "/api/v1/session", CALLS),
    ("DELETE", "/api/v1/session", CALLS),
    ("POST", "/api/v1/session/code", CALLS),
    ("GET", "/api/v1/account", CALLS),
    ("PUT", "/api/v1/account/password", CALLS),
    ("POST", "/api/v1/account/second-factor", CALLS),
    ("PUT", "/api/v1/account/second-factor", CALLS),
    ("DELETE", "/api/v1/account/sessions/{id}", CALLS),
    ("POST", "/api/v1/account/passkeys/challenge", CALLS),
    ("POST", "/api/v1/account/passkeys", CALLS),
    ("DELETE", "/api/v1/account/passkeys/{passkey}", CALLS),
    ("GET", "/api/v1/account/searches", CALLS),
    ("PUT", "/api/v1/account/searches/{search}", CALLS),
    ("DELETE", "/api/v1/account/searches/{search}", CALLS),
    ("GET", "/api/v1/status", CALLS),
    ("GET", "/metrics", MEASURES),
    ("GET", "/api/v1/model", POLICIES),
    ("GET", "/api/v1/policies", POLICIES),
    ("POST", "/api/v1/policies", AUTHORS),
    ("GET", "/api/v1/policies/{number}", POLICIES),
    ("GET", "/api/v1/policies/{number}/changes", POLICIES),
    ("POST", "/api/v1/policies/validate", TRIALS),
    ("POST", "/api/v1/policies/{number}/test", TRIALS),
    ("POST", "/api/v1/policies/{number}/replay", TRIALS),
    ("GET", "/api/v1/policies/replay", TRIALS),
    ("DELETE", "/api/v1/policies/replay", TRIALS),
    ("POST", "/api/v1/policies/{number}/shadow", AUTHORS),
    ("POST", "/api/v1/policies/{number}/activate", AUTHORS),
    ("POST", "/api/v1/policies/{number}/approve", APPROVERS),
    ("POST", "/api/v1/policies/roll-back", TAKE_BACK),
    ("GET", "/api/v1/lists", CALLS),
    ("GET", "/api/v1/lists/match", CALLS),
    ("GET", "/api/v1/lists/{list}/entries", CALLS),
    ("POST", "/api/v1/lists/{list}/entries", LISTS),
    ("GET", "/api/v1/lists/{list}/entries/{entry}", CALLS),
    ("PUT", "/api/v1/lists/{list}/entries/{entry}", LISTS),
    ("DELETE", "/api/v1/lists/{list}/entries/{entry}", LISTS),
    ("POST", "/api/v1/lists/{list}/import", LISTS),
    ("GET", "/api/v1/lists/{list}/export", CALLS),
    ("GET", "/api/v1/reputation", POLICIES),
    ("GET", "/api/v1/campaigns", POLICIES),
    ("GET", "/api/v1/campaigns/{name}", POLICIES),
    ("PUT", "/api/v1/campaigns/{name}", LISTS),
    ("GET", "/api/v1/users", ADMINS),
    ("POST", "/api/v1/users", ADMINS),
    ("GET", "/api/v1/users/{name}", ADMINS),
    ("PUT", "/api/v1/users/{name}", ADMINS),
    ("DELETE", "/api/v1/users/{name}", ADMINS),
    ("POST", "/api/v1/users/{name}/reset", ADMINS),
    ("DELETE", "/api/v1/users/{name}/sessions", ADMINS),
    ("GET", "/api/v1/tokens", ADMINS),
    ("POST", "/api/v1/tokens", ADMINS),
    ("DELETE", "/api/v1/tokens/{name}", ADMINS),
    ("GET", "/api/v1/alarms", MEASURES),
    ("POST", "/api/v1/alarms/{number}/acknowledge", ALARMS),
    ("GET", "/api/v1/drills", MEASURES),
    ("POST", "/api/v1/drills", DRILLS),
    ("GET", "/api/v1/drills/{id}", MEASURES),
    ("DELETE", "/api/v1/drills/{id}", DRILLS),
    ("GET", "/api/v1/flood", MEASURES),
    ("POST", "/api/v1/flood/mode", FLOODS),
    ("POST", "/api/v1/flood/blocks", FLOODS),
    ("DELETE", "/api/v1/flood/blocks/{address}", FLOODS),
    ("GET", "/api/v1/lockdown", CALLS),
    ("POST", "/api/v1/lockdown", ADMINS),
    ("POST", "/api/v1/lockdown/undo", ADMINS),
    ("POST", "/api/v1/lockdown/undo/confirm", ADMINS),
    ("GET", "/api/v1/devices", AUDITORS),
    ("POST", "/api/v1/devices", ADMINS),
    ("POST", "/api/v1/devices/{name}/rotate", ADMINS),
    ("DELETE", "/api/v1/devices/{name}", ADMINS),
    ("GET", "/api/v1/webhooks", AUDITORS),
    ("POST", "/api/v1/webhooks/{name}/test", ADMINS),
    ("GET", "/api/v1/webhooks/{name}/dead", AUDITORS),
    ("DELETE", "/api/v1/webhooks/{name}/dead", ADMINS),
    ("POST", "/api/v1/webhooks/{name}/dead/again", ADMINS),
    ("POST", "/api/v1/webhooks/{name}/dead/{id}/again", ADMINS),
    ("DELETE", "/api/v1/webhooks/{name}/dead/{id}", ADMINS),
    ("GET", "/api/v1/access-review", AUDITORS),
    ("GET", "/api/v1/audit", AUDITORS),
    ("GET", "/api/v1/audit/verify", AUDITORS),
    ("GET", "/api/v1/audit/export", AUDITORS),
    ("GET", "/api/v1/erasures", AUDITORS),
    ("POST", "/api/v1/erasures", ADMINS),
    ("POST", "/api/v1/erasures/held", ADMINS),
];

/// What whoever still has to enrol a second factor may do.
pub(super) fn is_for_enrolling(method: &Method, route: &str) -> bool {
    is_for_proving(route)
        || route == "/api/v1/account/second-factor"
        || (route == "/api/v1/account" && *method == Method::GET)
}

/// What whoever still has to show a code of his second factor may do.
pub(super) fn is_for_proving(route: &str) -> bool {
    route == "/api/v1/session" || route == "/api/v1/session/code"
}

/// Whether somebody with these roles may do this. A route that is not in the table is nobody's.
pub(super) fn may(roles: &[Role], method: &Method, route: &str) -> bool {
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let line = TABLE
        .iter()
        .find(|(known, path, _)| *known == method.as_str() && *path == route);
    line.is_some_and(|(.., allowed)| {
        roles
            .iter()
            .any(|role| *role == Role::Admin || allowed.contains(role))
    })
}

/// The same for one role and a method by its name, for those who look at the table from outside.
pub fn is_allowed(role: Role, method: &str, route: &str) -> bool {
    method.parse().is_ok_and(|method| may(&[role], &method, route))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_document_stands_in_the_table_and_no_other() {
        let document: serde_json::Value = serde_json::from_str(&crate::api::openapi()).unwrap();
        let mut routes = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                // What needs no signing in says so.
                let is_open = operation["security"]
                    .as_array()
                    .is_some_and(|needs| needs == &[serde_json::json!({})]);
                if !is_open {
                    routes.push((method.to_uppercase(), path.clone()));
                }
            }
        }
        let mut table: Vec<_> = TABLE
            .iter()
            .map(|(method, path, _)| ((*method).to_string(), (*path).to_string()))
            .collect();
        routes.sort();
        table.sort();
        assert_eq!(routes, table);
    }

    #[test]
    fn who_proposes_does_not_approve_and_nobody_but_administrators_makes_tokens() {
        let may = |role, method: Method, route| super::may(&[role], &method, route);
        for role in Role::ALL {
            let is_admin = *role == Role::Admin;
            assert_eq!(may(*role, Method::POST, "/api/v1/tokens"), is_admin);
            assert!(!may(*role, Method::GET, "/api/v1/nothing"));
        }
        assert!(!may(
            Role::PolicyAuthor,
            Method::POST,
            "/api/v1/policies/{number}/approve"
        ));
        assert!(!may(
            Role::PolicyApprover,
            Method::POST,
            "/api/v1/policies/{number}/activate"
        ));
        for (method, route, _) in TABLE {
            let is_administration = ["users", "tokens", "devices", "audit", "access-review", "policies"]
                .iter()
                .any(|part| route.starts_with(&format!("/api/v1/{part}")));
            let method = method.parse().unwrap();
            assert!(
                !is_administration || !may(Role::Receptionist, method, route),
                "{route}"
            );
        }
        assert!(may(Role::Receptionist, Method::HEAD, "/api/v1/calls"));
    }
}

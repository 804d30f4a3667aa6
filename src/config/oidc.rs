//! `[oidc]`: a provider that people sign in with.

use std::collections::BTreeMap;
use std::path::Path;

use super::identity::read_ranges;
use super::read::read_files;
use super::secret;
use crate::accounts::Role;
use crate::accounts::oidc::Config;
use crate::accounts::oidc::limits::ROLES_MAX;
use crate::document::{Section, Value, closest, shown};
use crate::redact::Redacted;

pub(super) fn read(root: &Section<'_, '_>, folder: &Path, public_url: Option<&str>) -> Option<Config> {
    let section = root.section("oidc")?;
    section.only(&[
        "issuer",
        "client_id",
        "client_secret",
        "label",
        "scopes",
        "name_claim",
        "roles_claim",
        "roles",
        "make_accounts",
        "second_factor_amr",
        "second_factor_acr",
        "allow",
        "anchors",
    ]);
    if !public_url.is_some_and(|url| url.starts_with("https://")) {
        let message = "[oidc] needs [api] public_url with https: the provider sends people back there";
        section.fault(section.place("issuer"), message, None);
    }
    let issuer = section
        .required_string("issuer")
        .and_then(|issuer| sound_issuer(&section, &issuer));
    let client_id = section.required_string("client_id");
    let client_secret = section
        .string("client_secret")
        .and_then(|value| secret::expand(&section, &value))
        .map(Redacted::new);
    let text = |key: &str| section.string(key).map(|value| value.get.to_string());
    let texts = |key: &str| {
        let values = section.strings(key);
        values.map(|values| {
            values
                .iter()
                .map(|value| value.get.to_string())
                .collect::<Vec<_>>()
        })
    };
    let mut scopes = texts("scopes").unwrap_or_else(|| vec!["openid".into(), "profile".into()]);
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".into());
    }
    let (roles_claim, roles) = (text("roles_claim"), read_roles(&section));
    if roles_claim.is_some() == roles.is_empty() {
        let message = "roles_claim and [oidc.roles] belong together: a claim, and what its values mean";
        section.fault(section.place("roles_claim"), message, None);
    }
    let makes_accounts = section.boolean("make_accounts").unwrap_or(false);
    if makes_accounts && roles_claim.is_none() {
        let message = "make_accounts needs roles_claim: whoever has no role gets no account";
        section.fault(section.place("make_accounts"), message, None);
    }
    Some(Config {
        issuer: issuer?,
        client_id: client_id?.get.to_string(),
        client_secret,
        label: text("label").unwrap_or_else(|| "your company's sign-in".into()),
        scopes,
        name_claim: text("name_claim").unwrap_or_else(|| "preferred_username".into()),
        roles_claim,
        roles,
        makes_accounts,
        strong_amr: texts("second_factor_amr").unwrap_or_default(),
        strong_acr: texts("second_factor_acr").unwrap_or_default(),
        allow: read_ranges(&section, "allow"),
        anchors: read_files(&section, folder, "anchors"),
    })
}

fn sound_issuer(section: &Section<'_, '_>, value: &Value<'_, str>) -> Option<String> {
    let url = url::Url::parse(value.get).ok();
    let is_sound = url.is_some_and(|url| {
        url.scheme() == "https" && url.has_host() && url.query().is_none() && url.fragment().is_none()
    });
    if !is_sound {
        let message = format!(
            "issuer is {:?}; expected https://HOST/PATH, as the provider writes it",
            shown(value.get)
        );
        section.fault(value.at.clone(), message, None);
        return None;
    }
    Some(value.get.to_string())
}

fn read_roles(section: &Section<'_, '_>) -> BTreeMap<String, Vec<Role>> {
    let mut map: BTreeMap<String, Vec<Role>> = BTreeMap::new();
    let Some(lines) = section.section("roles") else {
        return map;
    };
    let keys: Vec<String> = lines.entries().map(|(key, _)| key.get.to_string()).collect();
    if keys.len() > ROLES_MAX {
        section.fault(
            section.place("roles"),
            format!("more than {ROLES_MAX} lines in [oidc.roles]"),
            None,
        );
    }
    for key in keys {
        let mut roles = Vec::new();
        for value in lines.strings(&key).unwrap_or_default() {
            match Role::named(value.get) {
                Some(role) => roles.push(role),
                None => {
                    let names = Role::ALL.iter().map(|role| role.name());
                    let message = format!("{:?} is no role", shown(value.get));
                    lines.fault(value.at.clone(), message, closest(value.get, names));
                }
            }
        }
        map.insert(key, roles);
    }
    map
}

#[cfg(test)]
mod tests {
    use crate::accounts::Role;
    use crate::config::Config;

    const API: &str = "[api]\npublic_url = \"https://calls.example\"\n";
    const WHO: &str = "[oidc]\nissuer = \"https://idp.example/realms/one\"\nclient_id = \"ringward\"\n";

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse("x.toml", text).map_err(|faults| faults[0].to_string())
    }

    #[test]
    fn a_provider_has_an_issuer_and_a_map_of_roles() {
        let more = "roles_claim = \"groups\"\nmake_accounts = true\nclient_secret = \"hidden\"\n[oidc.roles]\n\"Call desk\" = [\"receptionist\"]\nsec = [\"analyst\", \"policy-author\"]\n";
        let oidc = parse(&format!("{API}{WHO}{more}")).unwrap().oidc.unwrap();
        assert_eq!(oidc.roles["sec"], [Role::Analyst, Role::PolicyAuthor]);
        assert_eq!(oidc.roles["Call desk"], [Role::Receptionist]);
        assert_eq!(
            (&oidc.scopes[..], oidc.makes_accounts),
            (&["openid".to_string(), "profile".into()][..], true)
        );
        assert!(!format!("{oidc:?}").contains("hidden"));
        let plain = parse(&format!("{API}{WHO}scopes = [\"email\"]\n"))
            .unwrap()
            .oidc
            .unwrap();
        assert_eq!(plain.scopes, ["openid", "email"]);
        assert!(!plain.makes_accounts && plain.roles_claim.is_none());
    }

    #[test]
    fn what_is_wrong_with_a_provider_is_said() {
        let wrong = |text: &str| parse(text).map(|_| ()).unwrap_err();
        assert!(wrong(WHO).contains("public_url"));
        let http = WHO.replace("https", "http");
        assert!(wrong(&format!("{API}{http}")).contains("expected https://HOST/PATH"));
        assert!(wrong(&format!("{API}{WHO}roles_claim = \"groups\"\n")).contains("belong together"));
        assert!(wrong(&format!("{API}{WHO}[oidc.roles]\na = [\"analyst\"]\n")).contains("belong together"));
        assert!(wrong(&format!("{API}{WHO}make_accounts = true\n")).contains("no role gets no account"));
        let typo = wrong(&format!(
            "{API}{WHO}roles_claim = \"g\"\n[oidc.roles]\na = [\"analist\"]\n"
        ));
        assert!(typo.contains("no role") && typo.contains("analyst"), "{typo}");
        assert!(wrong(&format!("{API}{WHO}secret = \"x\"\n")).contains("secret"));
    }
}

//! The policies that come with the binary.

use super::Policy;

/// One file of `policies/`, embedded.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    pub name: &'static str,
    pub text: &'static str,
}

/// All of them; the first is what a gateway without `[policy]` runs.
pub const SHIPPED: &[Shipped] = &[
    Shipped {
        name: "default",
        text: include_str!("../../policies/default.toml"),
    },
    Shipped {
        name: "observe",
        text: include_str!("../../policies/observe.toml"),
    },
    Shipped {
        name: "strict",
        text: include_str!("../../policies/strict.toml"),
    },
    Shipped {
        name: "contact-centre",
        text: include_str!("../../policies/contact-centre.toml"),
    },
    Shipped {
        name: "executive-protection",
        text: include_str!("../../policies/executive-protection.toml"),
    },
];

/// The one of this name.
pub fn shipped(name: &str) -> Option<&'static Shipped> {
    SHIPPED.iter().find(|shipped| shipped.name == name)
}

impl Shipped {
    /// Loaded for any configuration: none of them names a queue or a trunk.
    pub fn policy(&self) -> Policy {
        Policy::load(&format!("policies/{}.toml", self.name), self.text, &[])
            .expect("a test loads every shipped policy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screening::Tag;

    #[test]
    fn every_shipped_policy_loads_for_any_configuration_and_says_what_it_is() {
        for shipped in SHIPPED {
            let policy = shipped.policy();
            assert_eq!(policy.name(), shipped.name);
            assert!(policy.description().ends_with('.'), "{}", shipped.name);
            assert_eq!(policy.warnings(), [], "{}", shipped.name);
            assert_eq!(policy.regressions(), [], "{}", shipped.name);
            let path = format!("{}/policies/{}.toml", env!("CARGO_MANIFEST_DIR"), shipped.name);
            assert!(std::path::Path::new(&path).is_file());
        }
    }

    #[test]
    fn every_shipped_policy_weighs_every_tag() {
        for shipped in SHIPPED {
            let policy = shipped.policy();
            for tag in Tag::ALL {
                assert!(
                    policy.weights.contains_key(tag),
                    "{tag} has no weight in {}",
                    shipped.name
                );
            }
        }
    }

    #[test]
    fn every_policy_in_the_folder_is_shipped_and_explained() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
        let readme = std::fs::read_to_string(format!("{folder}/README.md")).unwrap();
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            if let Some(name) = name.strip_suffix(".toml") {
                assert!(shipped(name).is_some(), "{name} is not embedded");
                assert!(
                    readme.contains(&format!("| `{name}.toml` |")),
                    "{name} is not in the README"
                );
            }
        }
    }
}

//! What a model's maker measured: how often it is wrong, through which lines, and how much it was trained on.
//!
//! Read from `evaluation.json` and `figures.json` beside the networks, where they are there: a model without them hears as
//! well, and says nothing of itself. `evaluation.json` names the networks that it measured; of others it counts for nothing.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::error::ModelError;
use super::limits::{CARD_LINES_MAX, CARD_NAME_CHARS_MAX};
use super::manifest::Manifest;

pub(crate) const EVALUATION_FILE: &str = "evaluation.json";
pub(crate) const FIGURES_FILE: &str = "figures.json";

/// A model in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Card {
    /// In the order of its maker; the first is the plain telephone line.
    pub lines: Vec<Line>,
    pub real: TrainedOn,
    pub synthetic: TrainedOn,
}

/// Clips that nobody trained it on, through one kind of line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub name: String,
    /// Clips measured, real and synthetic.
    pub clips: u32,
    /// The model that hears every call, by itself.
    pub first: Figures,
    /// With a second opinion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub both: Option<Figures>,
}

/// Shares of 1; sources and engines weigh the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Equal error rate: where as many real clips are taken for synthetic as the other way about.
    pub eer: f32,
    /// Labelled at any moment of a clip, by the model's own thresholds.
    pub real_called_spoof: f32,
    pub real_called_bona_fide: f32,
    pub synthetic_called_spoof: f32,
    pub synthetic_called_bona_fide: f32,
}

/// Sources of real speech, or engines of synthetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TrainedOn {
    pub clips: u32,
    pub groups: u32,
}

#[derive(Deserialize)]
struct Evaluation {
    model: Measured,
    conditions: InOrder<Condition>,
}

#[derive(Deserialize)]
struct Measured {
    trunk: String,
    second: Option<String>,
}

#[derive(Deserialize)]
struct Condition {
    first: Measure,
    both: Option<Measure>,
}

#[derive(Deserialize)]
struct Measure {
    clips: u32,
    eer: f32,
    real: Labels,
    synthetic: Labels,
}

#[derive(Deserialize)]
struct Labels {
    spoof: f32,
    bona_fide: f32,
}

#[derive(Deserialize)]
struct FiguresFile {
    trained_on: Trained,
}

#[derive(Deserialize)]
struct Trained {
    real: InOrder<Group>,
    synthetic: InOrder<Group>,
}

#[derive(Deserialize)]
struct Group {
    clips: u32,
}

/// An object of JSON as it was written, in its order.
struct InOrder<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InOrder<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Each<T> {
            type Value = InOrder<T>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(InOrder(all))
            }
        }

        from.deserialize_map(Each(std::marker::PhantomData))
    }
}

impl Card {
    /// `files` reads one of the model's files by its name.
    ///
    /// # Errors
    ///
    /// A file that is absent, not what it should be, or of other networks than the manifest's.
    pub(crate) fn read(
        manifest: &Manifest,
        files: &dyn Fn(&str) -> Result<Vec<u8>, ModelError>,
    ) -> Result<Card, ModelError> {
        let evaluation: Evaluation = parsed(EVALUATION_FILE, &files(EVALUATION_FILE)?)?;
        let FiguresFile { trained_on } = parsed(FIGURES_FILE, &files(FIGURES_FILE)?)?;
        let second = manifest.second.as_ref().map(|second| second.sha256.as_str());
        if evaluation.model.trunk != manifest.trunk.sha256 || evaluation.model.second.as_deref() != second {
            return Err(ModelError::new(
                EVALUATION_FILE,
                "it measured other networks than these",
            ));
        }
        let conditions = evaluation.conditions.0;
        if conditions.len() > CARD_LINES_MAX {
            let problem = format!("more than {CARD_LINES_MAX} conditions");
            return Err(ModelError::new(EVALUATION_FILE, problem));
        }
        let line = |(name, condition): (String, Condition)| {
            Some(Line {
                name: tidy(&name),
                clips: condition.first.clips,
                first: condition.first.figures()?,
                both: match condition.both {
                    Some(both) => Some(both.figures()?),
                    None => None,
                },
            })
        };
        let lines: Option<Vec<Line>> = conditions.into_iter().map(line).collect();
        Ok(Card {
            lines: lines
                .ok_or_else(|| ModelError::new(EVALUATION_FILE, "a share that is not between 0 and 1"))?,
            real: TrainedOn::of(&trained_on.real),
            synthetic: TrainedOn::of(&trained_on.synthetic),
        })
    }
}

impl Measure {
    /// `None` where a share is none.
    fn figures(&self) -> Option<Figures> {
        let figures = Figures {
            eer: self.eer,
            real_called_spoof: self.real.spoof,
            real_called_bona_fide: self.real.bona_fide,
            synthetic_called_spoof: self.synthetic.spoof,
            synthetic_called_bona_fide: self.synthetic.bona_fide,
        };
        let shares = [
            figures.eer,
            figures.real_called_spoof,
            figures.real_called_bona_fide,
            figures.synthetic_called_spoof,
            figures.synthetic_called_bona_fide,
        ];
        shares
            .iter()
            .all(|share| (0.0..=1.0).contains(share))
            .then_some(figures)
    }
}

impl TrainedOn {
    fn of(groups: &InOrder<Group>) -> TrainedOn {
        let clips = groups
            .0
            .iter()
            .fold(0_u32, |sum, (_, group)| sum.saturating_add(group.clips));
        TrainedOn {
            clips,
            groups: u32::try_from(groups.0.len()).unwrap_or(u32::MAX),
        }
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(name: &str, octets: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(octets).map_err(|error| ModelError::new(name, error))
}

fn tidy(name: &str) -> String {
    let plain = name.chars().filter(|c| !c.is_control());
    plain.take(CARD_NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &[u8] = include_bytes!("../../models/default/manifest.json");
    const EVALUATION: &str = include_str!("../../models/default/evaluation.json");
    const FIGURES: &str = include_str!("../../models/default/figures.json");

    fn read(evaluation: &str, figures: &str) -> Result<Card, ModelError> {
        let manifest = Manifest::parse(MANIFEST).unwrap();
        Card::read(&manifest, &|name| match name {
            EVALUATION_FILE => Ok(evaluation.as_bytes().to_vec()),
            FIGURES_FILE => Ok(figures.as_bytes().to_vec()),
            _ => Err(ModelError::new(name, "no such file")),
        })
    }

    #[test]
    fn the_shipped_model_says_how_often_it_is_wrong() {
        let card = read(EVALUATION, FIGURES).unwrap();
        let names: Vec<&str> = card.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(
            &names[..3],
            ["mu-law", "A-law", "G.722"],
            "as its maker wrote them"
        );
        let plain = &card.lines[0];
        let both = plain.both.unwrap();
        assert!(both.eer < plain.first.eer && both.synthetic_called_spoof > both.real_called_spoof);
        assert_eq!(
            (card.real.clips, card.real.groups),
            (2_012, 52),
            "as card.md says"
        );
        assert_eq!((card.synthetic.clips, card.synthetic.groups), (2_143, 114));
    }

    #[test]
    fn figures_of_other_networks_and_damaged_ones_are_none() {
        let hash = &EVALUATION[EVALUATION.find("60c2c2").unwrap()..][..8];
        let long = "\"x\": {\"clips\": 1},".repeat(9);
        for (evaluation, figures, words) in [
            (
                EVALUATION.replacen(hash, "00000000", 1),
                FIGURES.into(),
                "other networks",
            ),
            (
                EVALUATION.replacen("0.369,", "1.369,", 1),
                FIGURES.into(),
                "between 0 and 1",
            ),
            (EVALUATION[..900].into(), FIGURES.into(), "evaluation.json: EOF"),
            (EVALUATION.into(), "{}".into(), "figures.json: missing field"),
            (EVALUATION.into(), format!("[{long}"), "figures.json"),
        ] {
            let problem = read(&evaluation, &figures).unwrap_err().to_string();
            assert!(problem.contains(words), "{words}: {problem}");
        }
    }
}

//! A checked condition, ready to be asked.
//!
//! CEL is the language people write; this is the part of it that a policy may use, with every name resolved and every
//! type known, so that asking it costs nanoseconds and can fail only where arithmetic can. That it means the same as
//! CEL is tested against the `cel` interpreter.

use super::schema::{Datum, Read, View};
use crate::screening::Tag;

/// One node. The checker builds only trees whose types fit.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    Fact(Read),
    TagFound(Tag),
    TagCount,
    Not(Box<Node>),
    And(Box<(Node, Node)>),
    Or(Box<(Node, Node)>),
    /// Condition, then, else.
    Choose(Box<(Node, Node, Node)>),
    Compare(Compare, Box<(Node, Node)>),
    In(Box<Node>, Box<[Node]>),
    Arithmetic(Arithmetic, Box<(Node, Node)>),
    Negate(Box<Node>),
    Text2(TextTest, Box<(Node, Node)>),
    Size(Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

/// What can go wrong in a condition that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RunError {
    #[error("a whole number became too large")]
    Overflow,
    #[error("division by zero")]
    DivisionByZero,
    /// Cannot happen in a tree the checker built; kept so that no mistake of ours can end a call.
    #[error("a value of an unexpected type")]
    Type,
}

impl Node {
    /// Asks the condition.
    pub(super) fn holds(&self, view: &View<'_>) -> Result<bool, RunError> {
        match self.read(view)? {
            Datum::Bool(is_true) => Ok(is_true),
            _ => Err(RunError::Type),
        }
    }

    /// Recurses at most `CONDITION_DEPTH_MAX` deep.
    fn read<'a>(&'a self, view: &View<'a>) -> Result<Datum<'a>, RunError> {
        Ok(match self {
            Node::Bool(value) => Datum::Bool(*value),
            Node::Int(value) => Datum::Int(*value),
            Node::Double(value) => Datum::Double(*value),
            Node::Text(value) => Datum::Text(value),
            Node::Fact(read) => read(view),
            Node::TagFound(tag) => Datum::Bool(view.has(*tag)),
            Node::TagCount => Datum::Int(view.tag_count()),
            Node::Not(inner) => Datum::Bool(!inner.holds(view)?),
            // CEL: a side that settles the answer wins over an error on the other side, in either order.
            Node::And(both) => match both.0.holds(view) {
                Ok(true) => Datum::Bool(both.1.holds(view)?),
                Ok(false) => Datum::Bool(false),
                Err(error) => match both.1.holds(view) {
                    Ok(false) => Datum::Bool(false),
                    _ => return Err(error),
                },
            },
            Node::Or(both) => match both.0.holds(view) {
                Ok(false) => Datum::Bool(both.1.holds(view)?),
                Ok(true) => Datum::Bool(true),
                Err(error) => match both.1.holds(view) {
                    Ok(true) => Datum::Bool(true),
                    _ => return Err(error),
                },
            },
            Node::Choose(three) => {
                if three.0.holds(view)? {
                    three.1.read(view)?
                } else {
                    three.2.read(view)?
                }
            }
            Node::Compare(how, both) => Datum::Bool(compare(*how, both.0.read(view)?, both.1.read(view)?)?),
            Node::In(what, list) => {
                let what = what.read(view)?;
                for item in list {
                    if compare(Compare::Equal, what, item.read(view)?)? {
                        return Ok(Datum::Bool(true));
                    }
                }
                Datum::Bool(false)
            }
            Node::Arithmetic(how, both) => arithmetic(*how, both.0.read(view)?, both.1.read(view)?)?,
            Node::Negate(inner) => match inner.read(view)? {
                Datum::Int(value) => Datum::Int(value.checked_neg().ok_or(RunError::Overflow)?),
                Datum::Double(value) => Datum::Double(-value),
                _ => return Err(RunError::Type),
            },
            Node::Text2(test, both) => match (both.0.read(view)?, both.1.read(view)?) {
                (Datum::Text(whole), Datum::Text(part)) => Datum::Bool(match test {
                    TextTest::StartsWith => whole.starts_with(part),
                    TextTest::EndsWith => whole.ends_with(part),
                    TextTest::Contains => whole.contains(part),
                }),
                _ => return Err(RunError::Type),
            },
            Node::Size(inner) => match inner.read(view)? {
                Datum::Text(text) => Datum::Int(i64::try_from(text.chars().count()).unwrap_or(i64::MAX)),
                _ => return Err(RunError::Type),
            },
        })
    }
}

fn compare(how: Compare, left: Datum<'_>, right: Datum<'_>) -> Result<bool, RunError> {
    use std::cmp::Ordering::{Equal, Greater, Less};

    let order = match (left, right) {
        (Datum::Bool(left), Datum::Bool(right)) => Some(left.cmp(&right)),
        (Datum::Int(left), Datum::Int(right)) => Some(left.cmp(&right)),
        (Datum::Double(left), Datum::Double(right)) => left.partial_cmp(&right),
        (Datum::Int(left), Datum::Double(right)) => int_with_double(left, right),
        (Datum::Double(left), Datum::Int(right)) => {
            int_with_double(right, left).map(std::cmp::Ordering::reverse)
        }
        (Datum::Text(left), Datum::Text(right)) => Some(left.cmp(right)),
        _ => return Err(RunError::Type),
    };
    // Not-a-number equals nothing and is in no order (IEEE 754).
    Ok(match how {
        Compare::Equal => order == Some(Equal),
        Compare::NotEqual => order != Some(Equal),
        Compare::Less => order == Some(Less),
        Compare::LessOrEqual => matches!(order, Some(Less | Equal)),
        Compare::Greater => order == Some(Greater),
        Compare::GreaterOrEqual => matches!(order, Some(Greater | Equal)),
    })
}

/// By value, without rounding the whole number to a double first.
fn int_with_double(int: i64, double: f64) -> Option<std::cmp::Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0; // 2^63
    if double >= BEYOND {
        return Some(std::cmp::Ordering::Less);
    }
    if double < -BEYOND {
        return Some(std::cmp::Ordering::Greater);
    }
    if double.is_nan() {
        return None;
    }
    let whole = double.trunc();
    Some(
        int.cmp(&(whole as i64))
            .then_with(|| 0.0f64.total_cmp(&(double - whole + 0.0))),
    )
}

fn arithmetic<'a>(how: Arithmetic, left: Datum<'a>, right: Datum<'a>) -> Result<Datum<'a>, RunError> {
    match (left, right) {
        (Datum::Int(left), Datum::Int(right)) => {
            let is_division = matches!(how, Arithmetic::Divide | Arithmetic::Remainder);
            if is_division && right == 0 {
                return Err(RunError::DivisionByZero);
            }
            let value = match how {
                Arithmetic::Add => left.checked_add(right),
                Arithmetic::Subtract => left.checked_sub(right),
                Arithmetic::Multiply => left.checked_mul(right),
                Arithmetic::Divide => left.checked_div(right),
                Arithmetic::Remainder => left.checked_rem(right),
            };
            value.map(Datum::Int).ok_or(RunError::Overflow)
        }
        (Datum::Double(left), Datum::Double(right)) => match how {
            Arithmetic::Add => Ok(Datum::Double(left + right)),
            Arithmetic::Subtract => Ok(Datum::Double(left - right)),
            Arithmetic::Multiply => Ok(Datum::Double(left * right)),
            Arithmetic::Divide => Ok(Datum::Double(left / right)),
            Arithmetic::Remainder => Err(RunError::Type),
        },
        _ => Err(RunError::Type),
    }
}

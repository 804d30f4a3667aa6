//! Checks a CEL condition against the schema and turns it into a [`Node`].
//!
//! The `cel` crate parses but does not check: a misspelt name or a wrong type would only show on a live call. Here they
//! are faults of the file, with the place and what was probably meant, all at once.

use cel::Program;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators as op};

use super::condition::{Arithmetic, Compare, Node, TextTest};
use super::limits::{CONDITION_DEPTH_MAX, CONDITION_NODES_MAX, CONDITION_OCTETS_MAX};
use super::schema::{self, Type};
use crate::document::{Document, Value, closest, one_of, shown};
use crate::screening::Tag;

/// What some facts need before they say anything.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sources {
    /// The policy has `[hours]`.
    pub(super) has_hours: bool,
    /// A voice model is configured; `None` = not known here.
    pub(super) is_voice_on: Option<bool>,
}

/// The condition, or None after noting every fault in `document`.
pub(super) fn condition(document: &Document<'_>, written: &Value<'_, str>, sources: Sources) -> Option<Node> {
    let text = written.get;
    if text.len() > CONDITION_OCTETS_MAX {
        let message = format!(
            "the condition has {} octets; at most {CONDITION_OCTETS_MAX}",
            text.len()
        );
        document.fault(written.at.clone(), message, None);
        return None;
    }
    let program = match Program::compile(text) {
        Ok(program) => program,
        Err(errors) => {
            for error in errors.errors.iter().take(3) {
                let at = document.inside_string(written, offset_of(text, error.pos));
                document.fault(
                    at,
                    format!("not a CEL condition: {}", shown(first_line(&error.msg))),
                    None,
                );
            }
            return None;
        }
    };
    let mut checker = Checker {
        document,
        written,
        program: &program,
        sources,
        nodes: 0,
        is_too_large: false,
    };
    let root = program.expression();
    let (kind, node) = checker.check(root, 0)?;
    if kind != Type::Bool {
        let message = format!("a condition must be true or false; this is a {}", kind.name());
        checker.fault(root, message, None);
        return None;
    }
    Some(node)
}

type Ided = cel::common::ast::IdedExpr;

struct Checker<'c> {
    document: &'c Document<'c>,
    written: &'c Value<'c, str>,
    program: &'c Program,
    sources: Sources,
    nodes: usize,
    is_too_large: bool,
}

impl Checker<'_> {
    fn fault(&self, at: &Ided, message: impl Into<String>, suggestion: Option<String>) {
        self.document.fault(self.place(at), message, suggestion);
    }

    fn place(&self, at: &Ided) -> std::ops::Range<usize> {
        let offset = self
            .program
            .source_info()
            .offset_for(leftmost(at).id)
            .map_or(0, |(start, _)| start as usize);
        self.document.inside_string(self.written, offset)
    }

    /// Type and node of an expression; None when a fault was noted in it.
    fn check(&mut self, expr: &Ided, depth: usize) -> Option<(Type, Node)> {
        self.nodes += 1;
        if depth > CONDITION_DEPTH_MAX || self.nodes > CONDITION_NODES_MAX {
            if !self.is_too_large {
                self.is_too_large = true;
                let message = format!(
                    "the condition is too large: at most {CONDITION_NODES_MAX} parts, {CONDITION_DEPTH_MAX} inside each other"
                );
                self.document.fault(self.written.at.clone(), message, None);
            }
            return None;
        }
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr, literal),
            Expr::Ident(_) | Expr::Select(_) => self.name(expr),
            Expr::Call(call) => self.call(expr, call, depth + 1),
            Expr::List(_) => self.refuse(expr, "a list may only stand right of \"in\""),
            Expr::Comprehension(_) => self.refuse(
                expr,
                "all(), exists(), exists_one(), map() and filter() are not part of policy conditions; ask for a tag with 'TAG' in tags",
            ),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                self.refuse(expr, "maps and messages are not part of policy conditions")
            }
        }
    }

    fn refuse(&self, at: &Ided, message: &str) -> Option<(Type, Node)> {
        self.fault(at, message, None);
        None
    }

    fn literal(&self, at: &Ided, literal: &LiteralValue) -> Option<(Type, Node)> {
        match literal {
            LiteralValue::Boolean(value) => Some((Type::Bool, Node::Bool(*value.inner()))),
            LiteralValue::Int(value) => Some((Type::Int, Node::Int(*value.inner()))),
            LiteralValue::Double(value) => Some((Type::Double, Node::Double(*value.inner()))),
            LiteralValue::String(value) => Some((Type::Text, Node::Text(value.inner().into()))),
            LiteralValue::UInt(_) => self.refuse(at, "write whole numbers without \"u\""),
            LiteralValue::Bytes(_) => self.refuse(
                at,
                "octets are not part of policy conditions; write a plain string",
            ),
            LiteralValue::Null => self.refuse(
                at,
                "no fact is ever null; an absent text is '' and an absent count is 0",
            ),
        }
    }

    fn name(&self, expr: &Ided) -> Option<(Type, Node)> {
        let Some((name, is_presence_test)) = path(expr) else {
            return self.refuse(expr, "only facts have fields");
        };
        if is_presence_test {
            return self.refuse(
                expr,
                "has() is not needed: every fact is always there; compare with '' or 0",
            );
        }
        let Some(fact) = schema::fact(&name) else {
            let suggestion = closest(&name, schema::FACTS.iter().map(|fact| fact.name));
            self.fault(expr, format!("no fact is called {:?}", shown(&name)), suggestion);
            return None;
        };
        if name.starts_with("time.") && !self.sources.has_hours {
            let message = format!("{name} needs [hours] with the zone of the business");
            return self.refuse(expr, &message);
        }
        let is_of_voice = name.starts_with("voice.") || name == "voice_light";
        if is_of_voice && self.sources.is_voice_on == Some(false) {
            let message = format!("{name} says nothing: [voice] model is \"off\"");
            self.document.warn(self.place(expr), message);
        }
        let node = if fact.kind == Type::Tags {
            Node::TagCount
        } else {
            Node::Fact(fact.read)
        };
        Some((fact.kind, node))
    }

    fn call(&mut self, expr: &Ided, call: &CallExpr, depth: usize) -> Option<(Type, Node)> {
        let name = call.func_name.as_str();
        match (name, call.target.as_deref(), call.args.as_slice()) {
            (op::LOGICAL_AND | op::LOGICAL_OR, None, [left, right]) => {
                let sign = if name == op::LOGICAL_AND { "&&" } else { "||" };
                let left = self.truth(left, sign, depth);
                let right = self.truth(right, sign, depth);
                let both = Box::new((left?, right?));
                let node = if name == op::LOGICAL_AND {
                    Node::And(both)
                } else {
                    Node::Or(both)
                };
                Some((Type::Bool, node))
            }
            (op::LOGICAL_NOT, None, [inner]) => {
                Some((Type::Bool, Node::Not(Box::new(self.truth(inner, "!", depth)?))))
            }
            (op::CONDITIONAL, None, [condition, yes, no]) => {
                let condition = self.truth(condition, "?", depth);
                let yes = self.check(yes, depth);
                let otherwise = self.check(no, depth);
                let (condition, (yes_kind, yes), (no_kind, otherwise)) = (condition?, yes?, otherwise?);
                let kind = match (yes_kind, no_kind) {
                    (left, right) if left == right && left != Type::Tags => left,
                    (Type::Text | Type::Word(_), Type::Text | Type::Word(_)) => Type::Text,
                    (left, right) => {
                        let message = format!(
                            "both answers of \"?\" must be of one type, not {} and {}",
                            left.name(),
                            right.name()
                        );
                        self.fault(no, message, None);
                        return None;
                    }
                };
                Some((kind, Node::Choose(Box::new((condition, yes, otherwise)))))
            }
            (op::IN, None, [what, list]) => self.membership(what, list, depth),
            (op::NEGATE, None, [inner]) => match self.check(inner, depth)? {
                (kind @ (Type::Int | Type::Double), node) => Some((kind, Node::Negate(Box::new(node)))),
                (kind, _) => self.refuse(inner, &format!("\"-\" needs a number, not a {}", kind.name())),
            },
            (_, None, [left, right]) if comparison(name).is_some() => {
                let (how, sign) = comparison(name)?;
                self.comparison(how, sign, left, right, depth)
            }
            (_, None, [left, right]) if arithmetic(name).is_some() => {
                let (how, sign) = arithmetic(name)?;
                let (left_kind, left_node) = self.check(left, depth)?;
                let (right_kind, right_node) = self.check(right, depth)?;
                let kind = match (left_kind, right_kind) {
                    (Type::Int, Type::Int) => Type::Int,
                    (Type::Double, Type::Double) if how != Arithmetic::Remainder => Type::Double,
                    (left_kind, right_kind) => {
                        let hint = match (left_kind, right_kind) {
                            (Type::Int, Type::Double) | (Type::Double, Type::Int) => {
                                "; write whole numbers as 2.0"
                            }
                            _ => "",
                        };
                        let message = format!(
                            "\"{sign}\" does not work on {} and {}{hint}",
                            left_kind.name(),
                            right_kind.name()
                        );
                        self.fault(left, message, None);
                        return None;
                    }
                };
                Some((kind, Node::Arithmetic(how, Box::new((left_node, right_node)))))
            }
            ("startsWith" | "endsWith" | "contains", Some(whole), [part]) => {
                let test = match name {
                    "startsWith" => TextTest::StartsWith,
                    "endsWith" => TextTest::EndsWith,
                    _ => TextTest::Contains,
                };
                if name == "contains" && matches!(path(whole), Some((fact, _)) if fact == "tags") {
                    return self.refuse(expr, "ask for a tag with 'TAG' in tags");
                }
                let whole = self.text(whole, name, depth);
                let part = self.text(part, name, depth);
                Some((Type::Bool, Node::Text2(test, Box::new((whole?, part?)))))
            }
            ("size", Some(what), []) | ("size", None, [what]) => match self.check(what, depth)? {
                (Type::Tags, node) => Some((Type::Int, node)),
                (Type::Text | Type::Word(_), node) => Some((Type::Int, Node::Size(Box::new(node)))),
                (kind, _) => self.refuse(
                    what,
                    &format!("size() needs a string or tags, not a {}", kind.name()),
                ),
            },
            ("matches", ..) => self.refuse(
                expr,
                "regular expressions are not part of policy conditions; use startsWith, endsWith or contains",
            ),
            (op::INDEX | op::OPT_INDEX | op::OPT_SELECT, ..) => self.refuse(
                expr,
                "facts are named with dots, not with brackets or question marks",
            ),
            _ => {
                let suggestion = closest(name, FUNCTIONS.iter().copied());
                self.fault(
                    expr,
                    format!("no function is called {:?} with these arguments", shown(name)),
                    suggestion,
                );
                None
            }
        }
    }

    fn truth(&mut self, expr: &Ided, sign: &str, depth: usize) -> Option<Node> {
        match self.check(expr, depth)? {
            (Type::Bool, node) => Some(node),
            (kind, _) => {
                self.fault(
                    expr,
                    format!("\"{sign}\" needs true or false here, not a {}", kind.name()),
                    None,
                );
                None
            }
        }
    }

    fn text(&mut self, expr: &Ided, function: &str, depth: usize) -> Option<Node> {
        match self.check(expr, depth)? {
            (Type::Text | Type::Word(_), node) => Some(node),
            (kind, _) => {
                self.fault(
                    expr,
                    format!("{function}() works on strings, not on a {}", kind.name()),
                    None,
                );
                None
            }
        }
    }

    fn comparison(
        &mut self,
        how: Compare,
        sign: &str,
        left: &Ided,
        right: &Ided,
        depth: usize,
    ) -> Option<(Type, Node)> {
        let left_side = self.check(left, depth);
        let right_side = self.check(right, depth);
        let ((left_kind, left_node), (right_kind, right_node)) = (left_side?, right_side?);
        let is_equality = matches!(how, Compare::Equal | Compare::NotEqual);
        let fits = match (left_kind, right_kind) {
            (Type::Bool, Type::Bool) => is_equality,
            (Type::Int | Type::Double, Type::Int | Type::Double) => true,
            (Type::Word(words), _) if matches!(right_node, Node::Text(_)) => {
                self.word(right, &right_node, words)?;
                is_equality
            }
            (_, Type::Word(words)) if matches!(left_node, Node::Text(_)) => {
                self.word(left, &left_node, words)?;
                is_equality
            }
            (Type::Word(left), Type::Word(right)) => is_equality && left == right,
            (Type::Text, Type::Text) => true,
            _ => false,
        };
        if !fits {
            let hint = if left_kind == Type::Tags || right_kind == Type::Tags {
                "; ask for a tag with 'TAG' in tags"
            } else {
                ""
            };
            let message = format!(
                "\"{sign}\" does not compare {} with {}{hint}",
                described(left_kind),
                described(right_kind)
            );
            self.fault(left, message, None);
            return None;
        }
        Some((Type::Bool, Node::Compare(how, Box::new((left_node, right_node)))))
    }

    fn membership(&mut self, what: &Ided, list: &Ided, depth: usize) -> Option<(Type, Node)> {
        let Expr::List(items) = &list.expr else {
            return match self.check(list, depth)? {
                (Type::Tags, _) => self.tag(what),
                (kind, _) => self.refuse(
                    list,
                    &format!(
                        "right of \"in\" stands tags or a list such as ['a', 'b'], not a {}",
                        kind.name()
                    ),
                ),
            };
        };
        let (kind, node) = self.check(what, depth)?;
        if kind == Type::Tags {
            return self.refuse(what, "ask for a tag with 'TAG' in tags");
        }
        if items.elements.is_empty() {
            return self.refuse(list, "nothing is ever in an empty list");
        }
        let mut nodes = Vec::with_capacity(items.elements.len());
        let mut is_sound = true;
        for item in &items.elements {
            let Some((item_kind, item_node)) = self.check(item, depth) else {
                is_sound = false;
                continue;
            };
            let fits = match (kind, item_kind) {
                (Type::Word(words), Type::Text) if matches!(item_node, Node::Text(_)) => {
                    is_sound &= self.word(item, &item_node, words).is_some();
                    true
                }
                (Type::Int | Type::Double, Type::Int | Type::Double) => true,
                (left, right) => left == right,
            };
            if !fits {
                let message = format!(
                    "this list is searched for {}; here is {}",
                    described(kind),
                    described(item_kind)
                );
                self.fault(item, message, None);
                is_sound = false;
            }
            nodes.push(item_node);
        }
        is_sound.then(|| (Type::Bool, Node::In(Box::new(node), nodes.into())))
    }

    fn tag(&self, what: &Ided) -> Option<(Type, Node)> {
        let Expr::Literal(LiteralValue::String(name)) = &what.expr else {
            return self.refuse(what, "left of \"in tags\" stands the name of a tag in quotes");
        };
        match name.inner().parse::<Tag>() {
            Ok(tag) => Some((Type::Bool, Node::TagFound(tag))),
            Err(_) => {
                let suggestion = closest(name.inner(), Tag::ALL.iter().map(|tag| tag.name()));
                self.fault(
                    what,
                    format!("no tag is called {:?}", shown(name.inner())),
                    suggestion,
                );
                None
            }
        }
    }

    /// A literal that is compared with a fact of few words must be one of them.
    fn word(&self, at: &Ided, literal: &Node, words: &'static [&'static str]) -> Option<()> {
        let Node::Text(text) = literal else { return None };
        if words.contains(&text.as_ref()) {
            return Some(());
        }
        let message = format!(
            "{:?} never happens here; expected {}",
            shown(text),
            one_of(words.iter().copied())
        );
        self.fault(
            at,
            message,
            closest(text, words.iter().copied().filter(|word| !word.is_empty())),
        );
        None
    }
}

const FUNCTIONS: &[&str] = &["startsWith", "endsWith", "contains", "size"];

fn comparison(name: &str) -> Option<(Compare, &'static str)> {
    Some(match name {
        op::EQUALS => (Compare::Equal, "=="),
        op::NOT_EQUALS => (Compare::NotEqual, "!="),
        op::LESS => (Compare::Less, "<"),
        op::LESS_EQUALS => (Compare::LessOrEqual, "<="),
        op::GREATER => (Compare::Greater, ">"),
        op::GREATER_EQUALS => (Compare::GreaterOrEqual, ">="),
        _ => return None,
    })
}

fn arithmetic(name: &str) -> Option<(Arithmetic, &'static str)> {
    Some(match name {
        op::ADD => (Arithmetic::Add, "+"),
        op::SUBSTRACT => (Arithmetic::Subtract, "-"),
        op::MULTIPLY => (Arithmetic::Multiply, "*"),
        op::DIVIDE => (Arithmetic::Divide, "/"),
        op::MODULO => (Arithmetic::Remainder, "%"),
        _ => return None,
    })
}

fn described(kind: Type) -> String {
    match kind {
        Type::Word(words) => one_of(words.iter().copied()),
        other => format!("a {}", other.name()),
    }
}

/// `caller.number`, and whether it stands inside `has()`.
fn path(expr: &Ided) -> Option<(String, bool)> {
    match &expr.expr {
        Expr::Ident(name) => Some((name.clone(), false)),
        Expr::Select(select) => {
            let (root, is_test) = path(&select.operand)?;
            Some((format!("{root}.{}", select.field), is_test || select.test))
        }
        _ => None,
    }
}

/// The first thing written of an expression: operators are listed where they stand, in the middle.
fn leftmost(expr: &Ided) -> &Ided {
    match &expr.expr {
        Expr::Select(select) => leftmost(&select.operand),
        Expr::Call(CallExpr {
            target: Some(target), ..
        }) => leftmost(target),
        Expr::Call(CallExpr { func_name, args, .. })
            if args.len() >= 2 && func_name.starts_with(['_', '@']) =>
        {
            leftmost(&args[0])
        }
        _ => expr,
    }
}

/// Line and column from 1 (as the parser counts) to characters from 0.
fn offset_of(text: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let before: usize = text
        .split_inclusive('\n')
        .take(line)
        .map(|line| line.chars().count())
        .sum();
    before + usize::try_from(column - 1).unwrap_or(0)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

//! Options into rules, once per configuration.

use super::arguments::ArgumentsFilter;
use super::class::Class;
use super::compiled::{Builder, Compiled, CompiledRule};
use super::core::Core;
use super::filter::Filter;
use super::hit::{Action, Channel, Pass, Screened};
use super::literals::LONGEST;
use super::options::{InArguments, OutputOptions, OutputRulesError, PiiKind, RuleSet, SecretOptions, SecretPattern};
use super::prompt::PromptPrint;
use super::rule::{After, Before, Begin, Judge, JudgeKind, Shape, Step};
use super::secrets::secret_rules;
use crate::Category;
use std::borrow::Cow;
use std::sync::Arc;

/// The rules of one configuration. A clone is cheap.
#[derive(Clone)]
pub struct OutputRules(Arc<Inner>);

struct Inner {
    compiled: Compiled,
    empty: bool,
    version: String,
}

impl OutputRules {
    /// Compiles options.
    ///
    /// # Errors
    /// [`OutputRulesError`] says what cannot be followed, and what to do.
    pub fn new(options: &OutputOptions) -> Result<Self, OutputRulesError> {
        let mut builder = Builder::default();
        let mut ids = Vec::new();
        secrets(&mut builder, &options.secrets, &mut ids)?;
        texts(&mut builder, options, &mut ids)?;
        personal(&mut builder, options, &mut ids)?;
        builder.prompt_rule = builder.rule(CompiledRule::plain(
            PROMPT_OVERLAP,
            Category::PromptLeak,
            options.prompt_leak_action.unwrap_or(Action::Flag),
        ))?;
        let compiled = builder.build()?;
        let empty = ids.is_empty();
        let version = format!("{:016x}", fingerprint(format!("{RULES_VERSION}{options:?}").as_bytes()));
        Ok(Self(Arc::new(Inner { compiled, empty, version })))
    }

    /// A filter for one channel of one answer.
    #[must_use]
    pub fn filter(&self, channel: Channel) -> Filter {
        Filter::new(Core::new(&self.0.compiled, channel, None))
    }

    /// The same, for an answer that must not repeat a system prompt.
    #[must_use]
    pub fn filter_beside(&self, channel: Channel, prompt: &Arc<PromptPrint>) -> Filter {
        Filter::new(Core::new(&self.0.compiled, channel, Some(Arc::clone(prompt))))
    }

    /// A filter for the arguments of one call of a tool, as raw JSON.
    #[must_use]
    pub fn arguments(&self) -> ArgumentsFilter {
        ArgumentsFilter::new(Core::new(&self.0.compiled, Channel::Arguments, None))
    }

    /// Whether nothing is looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.empty
    }

    /// Changes whenever the same text may get another result: with the options, and with the
    /// built-in rules.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Screens a whole text: the same result as a filter's.
    #[must_use]
    pub fn whole(&self, channel: Channel, text: &str) -> Screened {
        self.screened(self.filter(channel), text)
    }

    /// The same, for an answer that must not repeat a system prompt.
    #[must_use]
    pub fn whole_beside(&self, channel: Channel, text: &str, prompt: &Arc<PromptPrint>) -> Screened {
        self.screened(self.filter_beside(channel, prompt), text)
    }

    /// Screens the whole arguments of a call of a tool, as raw JSON.
    #[must_use]
    pub fn whole_arguments(&self, json: &str) -> Screened {
        let mut filter = self.arguments();
        let (mut out, mut hits) = (String::with_capacity(json.len()), Vec::new());
        let first = filter.push(self, json, &mut out, &mut hits);
        let last = filter.finish(self, &mut out, &mut hits);
        let cut = first == Pass::Cut || last == Pass::Cut;
        Screened { text: (cut || out != json).then_some(out), hits, cut }
    }

    fn screened(&self, mut filter: Filter, text: &str) -> Screened {
        let (mut out, mut hits) = (String::with_capacity(text.len()), Vec::new());
        let first = filter.push(self, text, &mut out, &mut hits);
        let last = filter.finish(self, &mut out, &mut hits);
        let cut = first == Pass::Cut || last == Pass::Cut;
        Screened { text: (cut || out != text).then_some(out), hits, cut }
    }

    pub(super) fn compiled(&self) -> &Compiled {
        &self.0.compiled
    }
}

impl std::fmt::Debug for OutputRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutputRules").field("version", &self.0.version).finish_non_exhaustive()
    }
}

/// Goes up when a built-in rule or the way of reading changes.
const RULES_VERSION: &str = "2";

/// FNV-1a: enough to tell configurations apart.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn secrets(builder: &mut Builder, options: &SecretOptions, ids: &mut Vec<String>) -> Result<(), OutputRulesError> {
    for named in options.except.iter().chain(options.actions.keys()) {
        if !secret_rules().any(|rule| rule.id == named) {
            return Err(OutputRulesError::UnknownRule(named.clone()));
        }
    }
    for rule in secret_rules() {
        let wanted = match options.rules {
            RuleSet::None => options.actions.contains_key(rule.id),
            RuleSet::Default => rule.default || options.actions.contains_key(rule.id),
            RuleSet::All => true,
        };
        if !wanted || options.except.iter().any(|except| except == rule.id) {
            continue;
        }
        let in_text = options.actions.get(rule.id).copied().unwrap_or(options.action);
        ids.push(rule.id.to_owned());
        let index = builder.rule(CompiledRule {
            id: rule.id.into(),
            category: Category::Secret,
            judge: rule.judge,
            placeholder: placeholder(rule.id),
            in_text,
            in_arguments: in_arguments(options.in_arguments, rule.id, in_text),
        })?;
        for pattern in rule.patterns {
            let shape = Shape {
                before: pattern.before,
                begin: pattern.begin,
                steps: Cow::Borrowed(pattern.steps),
                after: pattern.after,
                slides: pattern.slides,
                rest: Box::default(),
            };
            builder.pattern(index, pattern.prefixes, shape)?;
        }
    }
    for own in &options.own {
        own_secret(builder, options, own, ids)?;
    }
    Ok(())
}

/// Rules whose finds are replaced in arguments too: what they find serves nobody there.
const KEYS: [&str; 2] = ["private_key", "haltline"];

fn in_arguments(option: InArguments, id: &str, in_text: Action) -> Action {
    match option {
        InArguments::OnlyKeys if KEYS.contains(&id) => in_text,
        InArguments::AsInText => in_text,
        InArguments::OnlyKeys | InArguments::Flagged => Action::Flag,
    }
}

fn placeholder(id: &str) -> Box<str> {
    format!("[REDACTED:{id}]").into()
}

fn own_secret(
    builder: &mut Builder,
    options: &SecretOptions,
    own: &SecretPattern,
    ids: &mut Vec<String>,
) -> Result<(), OutputRulesError> {
    check_id(&own.id, ids)?;
    let prefix = own.prefix.as_bytes();
    if !(3..=LONGEST).contains(&prefix.len()) || !prefix.iter().all(u8::is_ascii_graphic) {
        return Err(OutputRulesError::NoPrefix(own.id.clone()));
    }
    let class = Class::of(&own.class);
    let max = own.max.unwrap_or(u16::MAX);
    if !own.class.is_ascii() || class.len() == 0 || class.has(b' ') || !(4..=96).contains(&own.min) || own.min > max {
        return Err(OutputRulesError::BadRun(own.id.clone()));
    }
    let in_text = own.action.unwrap_or(options.action);
    let index = builder.rule(CompiledRule {
        id: own.id.as_str().into(),
        category: Category::Secret,
        judge: Judge { kind: JudgeKind::Certain, entropy: 0.0 },
        placeholder: placeholder(&own.id),
        in_text,
        in_arguments: in_arguments(options.in_arguments, &own.id, in_text),
    })?;
    let word = prefix.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let shape = Shape {
        before: if word { Before::NoWord } else { Before::Any },
        begin: Begin::Secret,
        steps: Cow::Owned(vec![Step::Run { class, min: own.min, max: own.min }]),
        after: After::Bounded(class, own.max.map_or(u16::MAX, |max| max - own.min)),
        slides: false,
        rest: Box::default(),
    };
    builder.pattern(index, &[&own.prefix], shape)
}

/// The rule of canaries.
const CANARY: &str = "canary";
/// The rule of answers that repeat the system prompt.
const PROMPT_OVERLAP: &str = "prompt_overlap";
/// The longest canary: what may be held.
const CANARY_MAX: usize = 112;
/// The shortest: less is no accident.
const CANARY_MIN: usize = 8;

impl CompiledRule {
    /// A rule that acts in arguments as in text.
    fn plain(id: &str, category: Category, action: Action) -> Self {
        Self {
            id: id.into(),
            category,
            judge: Judge { kind: JudgeKind::Certain, entropy: 0.0 },
            placeholder: placeholder(id),
            in_text: action,
            in_arguments: action,
        }
    }
}

/// Phrases and canaries.
fn texts(builder: &mut Builder, options: &OutputOptions, ids: &mut Vec<String>) -> Result<(), OutputRulesError> {
    for phrase in &options.phrases {
        check_id(&phrase.id, ids)?;
        let rule = builder.rule(CompiledRule::plain(&phrase.id, Category::Phrase, phrase.action))?;
        if phrase.any.is_empty() {
            return Err(OutputRulesError::BadPhrase(phrase.id.clone()));
        }
        for text in &phrase.any {
            builder.phrases.add(rule, &phrase.id, text)?;
        }
    }
    if options.canaries.is_empty() {
        return Ok(());
    }
    let action = options.canary_action.unwrap_or(Action::Cut);
    let rule = builder.rule(CompiledRule::plain(CANARY, Category::PromptLeak, action))?;
    ids.push(CANARY.to_owned());
    for canary in &options.canaries {
        let fits = (CANARY_MIN..=CANARY_MAX).contains(&canary.len());
        // The last byte is a step of its own, so that there is one.
        let at = (1..LONGEST.min(canary.len())).rev().find(|&at| canary.is_char_boundary(at)).filter(|_| fits);
        let Some((prefix, rest)) = at.and_then(|at| canary.split_at_checked(at)) else {
            return Err(OutputRulesError::BadPhrase(CANARY.to_owned()));
        };
        let shape = Shape {
            before: Before::Any,
            begin: Begin::Secret,
            steps: Cow::Borrowed(&[Step::Rest]),
            after: After::Nothing,
            slides: false,
            rest: rest.as_bytes().into(),
        };
        builder.pattern(rule, &[prefix], shape)?;
    }
    Ok(())
}

fn personal(builder: &mut Builder, options: &OutputOptions, ids: &mut Vec<String>) -> Result<(), OutputRulesError> {
    for kind in PiiKind::ALL.into_iter().filter(|kind| options.pii.kinds.contains(kind)) {
        let id = format!("pii_{}", kind.word());
        let action = options.pii.action.unwrap_or(Action::Redact);
        let placeholder = options.pii.placeholders.get(&kind).map_or(kind.placeholder(), String::as_str);
        let rule =
            CompiledRule { placeholder: placeholder.into(), ..CompiledRule::plain(&id, Category::Personal, action) };
        let rule = builder.rule(rule)?;
        let place = PiiKind::ALL.iter().position(|other| *other == kind);
        if let Some(place) = place.and_then(|place| builder.pii.0.get_mut(place)) {
            *place = Some(rule);
        }
        ids.push(id);
    }
    Ok(())
}

/// Names are for placeholders, records and metrics: they stay plain, and each stands once.
fn check_id(id: &str, ids: &mut Vec<String>) -> Result<(), OutputRulesError> {
    let plain = id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    let known = [CANARY, PROMPT_OVERLAP].contains(&id)
        || ids.iter().any(|other| other == id)
        || secret_rules().any(|rule| rule.id == id);
    if !plain || known || !(1..=48).contains(&id.len()) {
        return Err(OutputRulesError::BadId(id.to_owned()));
    }
    ids.push(id.to_owned());
    Ok(())
}

//! From a name that a client asks for to the models that a plan is made from: its own targets, and
//! step by step the cheaper models that it degrades to. Plain data; decides nothing.

use crate::settings::{ModelSettings, Settings};
use haltline_policy::plan::{Model, Strategy, Target};
use haltline_policy::route::RouteRules;
use haltline_types::{ModelName, Name};

/// Where a model's requests may go. The first model is the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    models: Vec<Model>,
}

impl Routing {
    /// Of a configured name.
    #[must_use]
    pub fn of_model(settings: &Settings, name: &Name, model: &ModelSettings) -> Self {
        Self { models: vec![configured(name, model)] }.with_cheaper(settings, model.degrade_to.as_ref())
    }

    /// Of an endpoint that was asked for by its own name: a fault leads nowhere else.
    #[must_use]
    pub fn direct(settings: &Settings, endpoint: ModelName) -> Self {
        Self { models: vec![only(endpoint)] }.with_cheaper(settings, None)
    }

    /// The models, as a plan takes them.
    #[must_use]
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The first target.
    #[must_use]
    pub fn first(&self) -> Option<&ModelName> {
        self.models.first()?.targets.first().map(|target| &target.endpoint)
    }

    /// Keeps only endpoints that may be asked. A cheaper model that is left without any is no step
    /// down any more; the model that was asked for stays, and may be empty.
    pub fn retain(&mut self, keep: impl Fn(&ModelName) -> bool) {
        for model in &mut self.models {
            model.targets.retain(|target| keep(&target.endpoint));
            model.rules.content_policy_to.retain(&keep);
            model.rules.context_length_to.retain(&keep);
        }
        let mut is_asked = true;
        self.models.retain(|model| std::mem::take(&mut is_asked) || !model.targets.is_empty());
    }

    /// Follows `degrade_to`. A circle, which the configuration refuses, ends where it closes.
    fn with_cheaper(mut self, settings: &Settings, first: Option<&Name>) -> Self {
        let mut next = first.or(settings.degrade.to.as_ref()).cloned();
        while let Some(name) = next {
            if self.models.iter().any(|model| model.name == name) {
                break;
            }
            if let Some(model) = settings.models.get(&name) {
                self.models.push(configured(&name, model));
                next = model.degrade_to.clone();
            } else {
                self.models.extend(ModelName::parse(&name).map(only));
                next = None;
            }
        }
        self
    }
}

fn configured(name: &Name, model: &ModelSettings) -> Model {
    let target = |endpoint: &ModelName| {
        let plain = Target::new(endpoint.clone());
        match model.weights.get(endpoint) {
            Some(weight) => Target { weight: *weight, ..plain },
            None => plain,
        }
    };
    Model {
        name: name.clone(),
        targets: model.targets.iter().map(target).collect(),
        strategy: model.strategy,
        rules: model.rules.clone(),
    }
}

fn only(endpoint: ModelName) -> Model {
    Model {
        name: Name::from(endpoint.to_string()),
        targets: vec![Target::new(endpoint)],
        strategy: Strategy::Ordered,
        rules: RouteRules::on(Vec::new()),
    }
}

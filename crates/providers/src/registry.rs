//! Which provider serves a model, and at what price.

use std::{collections::HashMap, sync::Arc};

use insula_model::{Error, ErrorKind, Operation, Result, Timestamp};

use crate::{
    ModelCard, PriceBook, PriceRow, Provider, ProviderSettings,
    price_book::{Entry, unknown_price},
};

/// The configured providers with the models and prices that they serve.
#[derive(Debug)]
pub struct Providers {
    configured: Vec<Arc<Provider>>,
    /// Every model that a configured provider has in the book, in configuration order.
    served: Vec<Served>,
    /// From a name, an alias, or either behind `provider/`, to places in `served`, in configuration order.
    by_name: HashMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct Served {
    provider: Arc<Provider>,
    entry: Entry,
}

impl Served {
    /// This with the price in force `at` this time, if one is.
    fn route(&self, at: Timestamp) -> Option<Route> {
        let price_row = self.entry.price(at)?.clone();
        Some(Route { provider: self.provider.clone(), card: self.entry.card.clone(), price_row })
    }
}

/// Where a request goes, and at what price.
#[derive(Debug, Clone)]
pub struct Route {
    /// Who serves it.
    pub provider: Arc<Provider>,
    /// The model.
    pub card: Arc<ModelCard>,
    /// The price in force.
    pub price_row: Arc<PriceRow>,
}

impl Route {
    /// Where it is processed, as far as the operator says.
    pub fn region(&self) -> Option<&str> {
        self.card.region.as_deref().or(self.provider.region())
    }
}

/// Who looks for a model.
#[derive(Debug, Clone, Copy, Default)]
pub struct Viewer<'a> {
    /// The models that they may call: a name, an alias, or either behind `provider/`; all where absent.
    pub among: Option<&'a [String]>,
    /// What they are called, to see the models that are for them alone.
    pub names: &'a [&'a str],
}

impl Viewer<'_> {
    /// Whether a model exists for them.
    pub fn sees(&self, card: &ModelCard) -> bool {
        card.is_for(self.names) && card.is_among(self.among)
    }
}

/// A configured provider, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInfo {
    /// Its name.
    pub name: String,
    /// Where its API starts.
    pub base_url: String,
    /// Where it processes data.
    pub region: Option<String>,
    /// Whether a key for it is set.
    pub has_key: bool,
    /// How many models of the price book it serves.
    pub models: usize,
}

impl Providers {
    /// Builds a client for each provider and finds its models in the book.
    ///
    /// # Errors
    /// `Invalid` for an address that cannot be used, a header that cannot be sent, or a name given twice.
    pub fn new(settings: Vec<ProviderSettings>, book: PriceBook) -> Result<Self> {
        let mut this = Self { configured: Vec::with_capacity(settings.len()), served: Vec::new(), by_name: HashMap::new() };
        for settings in settings {
            let provider = Arc::new(Provider::new(settings)?);
            if this.configured.iter().any(|other| other.name() == provider.name()) {
                return Err(Error::invalid(format!("two providers are called `{}`; rename one", provider.name())));
            }
            for entry in book.entries.iter().filter(|entry| entry.card.provider == provider.name()) {
                this.add(&provider, entry.clone());
            }
            this.configured.push(provider);
        }
        Ok(this)
    }

    fn add(&mut self, provider: &Arc<Provider>, entry: Entry) {
        let place = self.served.len();
        let names: Vec<String> = std::iter::once(&entry.card.name).chain(&entry.card.aliases).cloned().collect();
        for name in names {
            self.by_name.entry(format!("{}/{name}", provider.name())).or_default().push(place);
            self.by_name.entry(name).or_default().push(place);
        }
        self.served.push(Served { provider: provider.clone(), entry });
    }

    /// Everything that serves `model` (a name, an alias, or either behind `provider/`), in configuration order, each with the
    /// price in force `at` this time; at least one. Only what `viewer` sees counts: the rest is as if there were none.
    ///
    /// # Errors
    /// `ModelNotFound` says how to list models, `UnknownPrice` how to add a price, `Invalid` what else the model can do.
    pub fn candidates(&self, model: &str, operation: Operation, at: Timestamp, viewer: &Viewer<'_>) -> Result<Vec<Route>> {
        let places = self.by_name.get(model).map_or(&[][..], Vec::as_slice);
        let mut seen =
            places.iter().map(|place| &self.served[*place]).filter(|served| viewer.sees(&served.entry.card)).peekable();
        if seen.peek().is_none() {
            // To whom only some are shown, an unknown one of a known provider must not look different from a hidden one.
            return Err(if viewer.among.is_some() { not_found(model) } else { self.not_found(model, at) });
        }
        let able: Vec<_> = seen.filter(|served| served.entry.card.operations.contains(&operation)).collect();
        let Some(first) = able.first() else {
            let what = format!("the model `{model}` does not do {}; GET /v1/models lists the models", operation.name());
            return Err(Error::invalid(what).at("model"));
        };
        let routes: Vec<_> = able.iter().filter_map(|served| served.route(at)).collect();
        match routes.is_empty() {
            false => Ok(routes),
            true => Err(unknown_price(&first.entry.card.provider, &first.entry.card.name, at)),
        }
    }

    /// The names of the models that do this for `viewer`, at a provider whose API has it and with a price in force `at` this time; in
    /// configuration order, each once.
    pub fn names(&self, operation: Operation, at: Timestamp, viewer: &Viewer<'_>) -> Vec<&str> {
        let does = |served: &&Served| {
            let card = &served.entry.card;
            card.operations.contains(&operation)
                && served.provider.offers(operation)
                && viewer.sees(card)
                && served.entry.price(at).is_some()
        };
        let mut names: Vec<&str> = Vec::new();
        for served in self.served.iter().filter(does) {
            if !names.contains(&served.entry.card.name.as_str()) {
                names.push(&served.entry.card.name);
            }
        }
        names
    }

    /// A model that no book has: of a provider that was spelled out, it lacks a price; else it does not exist.
    fn not_found(&self, model: &str, at: Timestamp) -> Error {
        if let Some((provider, name)) = model.split_once('/')
            && self.configured.iter().any(|configured| configured.name() == provider)
        {
            return unknown_price(provider, name, at);
        }
        not_found(model)
    }

    /// The models of the configured providers that have a price `at` this time, in configuration order.
    pub fn models(&self, at: Timestamp) -> Vec<Arc<ModelCard>> {
        self.prices(at).into_iter().map(|(card, _)| card).collect()
    }

    /// The same models, each with its price in force.
    pub fn prices(&self, at: Timestamp) -> Vec<(Arc<ModelCard>, Arc<PriceRow>)> {
        self.served.iter().filter_map(|served| Some((served.entry.card.clone(), served.entry.price(at)?.clone()))).collect()
    }

    /// A row of the book, in force or not; of the configured providers.
    pub fn price_row(&self, id: &str) -> Option<&Arc<PriceRow>> {
        self.served.iter().flat_map(|served| &served.entry.prices).find(|row| row.id == id)
    }

    /// The configured provider of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Provider>> {
        self.configured.iter().find(|provider| provider.name() == name)
    }

    /// The configured provider of this name, where it serves a model that `viewer` sees.
    pub fn serving(&self, name: &str, viewer: &Viewer<'_>) -> Option<&Arc<Provider>> {
        let is_it = |served: &&Served| served.provider.name() == name && viewer.sees(&served.entry.card);
        self.served.iter().find(is_it).map(|served| &served.provider)
    }

    /// The configured providers, in configuration order.
    pub fn list(&self) -> Vec<ProviderInfo> {
        let info = |provider: &Arc<Provider>| ProviderInfo {
            name: provider.name().to_owned(),
            base_url: provider.base_url().to_owned(),
            region: provider.region().map(str::to_owned),
            has_key: provider.has_key(),
            models: self.served.iter().filter(|served| served.provider.name() == provider.name()).count(),
        };
        self.configured.iter().map(info).collect()
    }
}

/// The same words for a model that does not exist and for one that is not the caller's to use.
fn not_found(model: &str) -> Error {
    let what = format!(
        "the model `{model}` does not exist here or you do not have access to it; GET /v1/models lists the models \
         (an operator adds one with a [[models]] entry in the price file)"
    );
    Error::new(ErrorKind::ModelNotFound, what).at("model")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SIMULATOR_PRICES;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn providers(names: &[&str]) -> Providers {
        let extra = SIMULATOR_PRICES.replace("\"simulator\"", "\"second\"").replace("1.00", "7.00");
        let book =
            PriceBook::parse(SIMULATOR_PRICES, "simulator").unwrap().extended_by(PriceBook::parse(&extra, "second").unwrap());
        Providers::new(names.iter().map(|name| ProviderSettings::new(*name, "http://127.0.0.1:1/v1")).collect(), book).unwrap()
    }

    #[test]
    fn candidates_stand_in_configuration_order() {
        let now = at("2026-01-01T00:00:00Z");
        let both = providers(&["second", "simulator"]);
        let ids = |model| {
            let routes = both.candidates(model, Operation::Chat, now, &Viewer::default()).unwrap();
            routes.iter().map(|route| route.price_row.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids("sim-small"), ["second/sim-small@2020-01-01", "simulator/sim-small@2020-01-01"]);
        assert_eq!(ids("simulator/sim-small"), ["simulator/sim-small@2020-01-01"]);
        assert_eq!(both.models(now).len(), 8);
        assert_eq!(both.price_row("second/sim-small@2020-01-01").unwrap().price.input_pico, 7_000_000);
        assert!(both.price_row("second/sim-small@2019-01-01").is_none());
        assert_eq!(providers(&["simulator"]).list()[0].models, 4);
    }

    #[test]
    fn refusals_say_what_to_do() {
        let now = at("2026-01-01T00:00:00Z");
        let providers = providers(&["simulator"]);
        let fails = |model, operation, now| providers.candidates(model, operation, now, &Viewer::default()).unwrap_err();
        let unknown = fails("gpt-99", Operation::Chat, now);
        assert_eq!(unknown.kind(), &ErrorKind::ModelNotFound);
        assert!(unknown.message().contains("GET /v1/models"));
        assert_eq!(fails("simulator/gpt-99", Operation::Chat, now).kind(), &ErrorKind::UnknownPrice);
        assert_eq!(fails("second/sim-small", Operation::Chat, now).kind(), &ErrorKind::ModelNotFound);
        assert_eq!(fails("sim-small", Operation::Chat, at("2019-12-31T23:59:59Z")).kind(), &ErrorKind::UnknownPrice);
        assert_eq!(fails("sim-small", Operation::Embeddings, now).kind(), &ErrorKind::Invalid);
        assert!(providers.models(at("2019-01-01T00:00:00Z")).is_empty());
    }

    #[test]
    fn what_a_caller_may_not_use_is_as_if_it_were_not() {
        let now = at("2026-01-01T00:00:00Z");
        let both = providers(&["second", "simulator"]);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let row = |model: &str, among: &[&str]| {
            let among = names(among);
            let viewer = Viewer { among: Some(&among), names: &[] };
            let routed = both.candidates(model, Operation::Chat, now, &viewer);
            routed.map(|routes| routes[0].price_row.id.clone()).map_err(|error| (error.kind().clone(), error.to_string()))
        };
        assert_eq!(row("sim-small", &["sim-small"]).as_deref(), Ok("second/sim-small@2020-01-01"));
        assert_eq!(row("sim-small", &["simulator/sim-small"]).as_deref(), Ok("simulator/sim-small@2020-01-01"));
        let hidden = row("simulator/sim-large", &["sim-small"]).unwrap_err();
        assert_eq!(hidden.0, ErrorKind::ModelNotFound);
        let unknown = row("simulator/gpt-99", &["sim-small"]).unwrap_err();
        assert_eq!(hidden.1.replace("sim-large", "gpt-99"), unknown.1);
        assert!(row("sim-small", &[]).is_err());
    }

    #[test]
    fn what_does_an_operation_is_named_once() {
        let now = at("2026-01-01T00:00:00Z");
        let both = providers(&["second", "simulator"]);
        let viewer = Viewer::default();
        assert_eq!(both.names(Operation::Moderations, now, &viewer), ["sim-moderation"]);
        assert_eq!(both.names(Operation::Chat, now, &viewer), ["sim-small", "sim-large"]);
        assert!(both.names(Operation::Moderations, at("2019-12-31T23:59:59Z"), &viewer).is_empty());
        let among = ["sim-small".to_owned()];
        assert!(both.names(Operation::Moderations, now, &Viewer { among: Some(&among), names: &[] }).is_empty());
    }

    #[test]
    fn names_are_given_once() {
        let twice = vec![ProviderSettings::new("a", "http://127.0.0.1/v1"), ProviderSettings::new("a", "http://127.0.0.1/v1")];
        assert!(Providers::new(twice, PriceBook::default()).unwrap_err().message().contains("two providers are called `a`"));
    }
}

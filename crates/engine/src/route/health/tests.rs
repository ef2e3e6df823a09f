use insula_model::{CredentialId, ManualClock, Operation, Timestamp};
use insula_providers::{ModelCard, PriceBook, ProviderSettings, Providers, SIMULATOR_PRICES, Viewer};

use super::{
    record::{OUTCOMES_KEPT, TENANTS_KEPT_MAX},
    *,
};

const A: TenantId = TenantId::from_bytes([1; 16]);
const B: TenantId = TenantId::from_bytes([2; 16]);
const C: TenantId = TenantId::from_bytes([3; 16]);
const D: TenantId = TenantId::from_bytes([4; 16]);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A record, and the settings that it is always told.
#[derive(Default)]
struct Model {
    record: Record,
    settings: RouteSettings,
}

impl Model {
    fn look(&self, tenant: TenantId, seconds: u64) -> State {
        self.record.look(tenant, at(seconds), &self.settings)
    }

    fn is_open(&self, tenant: TenantId, seconds: u64) -> bool {
        matches!(self.look(tenant, seconds), State::Open { .. })
    }

    fn ask(&mut self, tenant: TenantId, seconds: u64) -> State {
        self.record.ask(tenant, at(seconds), &self.settings)
    }

    fn admit(&mut self, tenant: TenantId, seconds: u64) -> Option<Pass> {
        self.record.admit(tenant, at(seconds), &self.settings)
    }

    /// A probe that must be let through as one.
    fn probe(&mut self, tenant: TenantId, seconds: u64) -> Pass {
        let pass = self.admit(tenant, seconds).unwrap();
        assert!(pass.probe.is_some());
        pass
    }

    fn note(&mut self, pass: &mut Pass, outcome: Outcome, seconds: u64) {
        self.record.note(pass, outcome, at(seconds), &self.settings);
    }

    /// Attempts that begin and end at once, as far as they are let through.
    fn noted(&mut self, tenant: TenantId, outcome: Outcome, times: usize, seconds: u64) {
        for _ in 0..times {
            if let Some(mut pass) = self.admit(tenant, seconds) {
                self.note(&mut pass, outcome, seconds);
            }
        }
    }

    fn under_way(&mut self, tenant: TenantId, times: usize, seconds: u64) -> Vec<Pass> {
        (0..times).map(|_| self.admit(tenant, seconds).unwrap()).collect()
    }

    fn kept(&self, tenant: TenantId) -> usize {
        self.record.tenants.get(&tenant).map_or(0, |seen| seen.outcomes.len())
    }
}

/// Half of the requests of two tenants, who are all that use it, failed.
fn failing() -> Model {
    let mut model = Model::default();
    for tenant in [A, B] {
        model.noted(tenant, Outcome::Good, 3, 1);
        model.noted(tenant, Outcome::Fault, 3, 1);
    }
    model
}

#[test]
fn a_circuit_opens_rests_and_probes_once_at_a_time() {
    let mut model = failing();
    assert_eq!(model.look(C, 2), State::Open { wait: at(9) });
    assert!(model.admit(C, 2).is_none());
    assert_eq!(model.look(C, 11), State::HalfOpen);
    let mut probe = model.probe(C, 11);
    assert!(probe.probe.is_some_and(|probe| probe.is_everybodys));
    assert!(model.admit(A, 11).is_none(), "one at a time");
    model.note(&mut probe, Outcome::Fault, 11);
    assert_eq!(model.look(A, 11), State::Open { wait: at(10) });
    // It fails for another as well: a longer rest.
    let mut probe = model.probe(A, 21);
    model.note(&mut probe, Outcome::Fault, 21);
    assert_eq!(model.look(B, 21), State::Open { wait: at(20) });
    // It says nothing: the next one probes.
    let mut probe = model.probe(A, 41);
    model.note(&mut probe, Outcome::Neither, 41);
    let mut probe = model.probe(B, 41);
    model.note(&mut probe, Outcome::Good, 42);
    assert!(model.admit(A, 42).is_some_and(|pass| pass.probe.is_none()), "closed, with nothing held against it");
}

#[test]
fn one_tenant_alone_closes_the_way_for_itself() {
    let mut model = Model::default();
    model.noted(B, Outcome::Good, 5, 1);
    model.noted(A, Outcome::Fault, 20, 1);
    assert!(model.is_open(A, 2));
    assert!(!model.is_open(B, 2) && !model.is_open(C, 2));
    // A stray failure of another tenant changes nothing.
    model.noted(B, Outcome::Fault, 1, 2);
    assert!(!model.is_open(B, 2));
    // Each probe that fails doubles its own rest.
    let mut probe = model.probe(A, 11);
    model.note(&mut probe, Outcome::Fault, 11);
    assert_eq!(model.look(A, 11), State::Open { wait: at(20) });
    let mut probe = model.probe(A, 31);
    model.note(&mut probe, Outcome::Good, 31);
    assert_eq!(model.look(A, 31), State::Closed);
}

#[test]
fn what_was_sent_before_a_circuit_opened_evicts_and_closes_nothing() {
    let mut model = Model::default();
    for tenant in [B, C] {
        model.noted(tenant, Outcome::Good, 6, 1);
    }
    let mut under_way = model.under_way(A, 180, 1);
    let mut stray = model.admit(B, 1).unwrap();
    for pass in &mut under_way {
        model.note(pass, Outcome::Fault, 4);
    }
    model.note(&mut stray, Outcome::Fault, 4);
    assert!(model.is_open(A, 4), "for whom it fails");
    for tenant in [B, C, D] {
        assert_eq!(model.look(tenant, 4), State::Closed);
    }
    assert_eq!((model.kept(B), model.kept(C)), (7, 6), "nobody's are evicted");
    assert_eq!(model.kept(A), 10, "what it sent before says nothing new");
}

#[test]
fn two_tenants_close_nothing_for_a_third_that_is_served() {
    let mut model = Model::default();
    model.noted(C, Outcome::Good, 2, 1);
    for tenant in [A, B] {
        model.noted(tenant, Outcome::Fault, 20, 1);
    }
    assert!(model.is_open(A, 1) && model.is_open(B, 1));
    assert!(!model.is_open(C, 1) && !model.is_open(D, 1));
}

#[test]
fn one_tenants_many_failures_do_not_make_up_for_others_few() {
    let mut model = Model::default();
    let mut under_way = model.under_way(A, 9, 1);
    for pass in &mut under_way {
        model.note(pass, Outcome::Fault, 1);
    }
    for tenant in [B, C] {
        model.noted(tenant, Outcome::Fault, 1, 1);
    }
    assert!(!model.is_open(D, 1), "three see it failing, but it is little beside ten");
    // Where each of three sees enough of it, it is closed.
    model.noted(B, Outcome::Fault, 2, 2);
    model.noted(C, Outcome::Fault, 2, 2);
    assert!(model.is_open(D, 2));
}

#[test]
fn where_most_are_served_nothing_closes_for_them() {
    let mut model = Model::default();
    for n in 10..17 {
        model.noted(TenantId::from_bytes([n; 16]), Outcome::Good, 1, 1);
    }
    for tenant in [A, B, C] {
        model.noted(tenant, Outcome::Fault, 10, 1);
    }
    assert!(model.is_open(A, 1) && !model.is_open(D, 1));
}

#[test]
fn a_stream_answers_a_probe_with_its_first_content() {
    let mut model = failing();
    let mut stream = model.probe(A, 11);
    assert!(model.is_open(B, 12));
    model.note(&mut stream, Outcome::Good, 12);
    assert_eq!(model.look(B, 12), State::Closed, "though it streams on");
    model.note(&mut stream, Outcome::Good, 31);
    assert_eq!(model.kept(A), 1, "it counts once");
    // One that breaks off later counts as a failure, and once.
    let mut stream = model.admit(B, 31).unwrap();
    model.note(&mut stream, Outcome::Good, 32);
    model.note(&mut stream, Outcome::Fault, 33);
    assert_eq!(model.kept(B), 1);
    assert_eq!(model.record.share(B, &RouteSettings { circuit_outcomes_min: 1, ..RouteSettings::default() }), Some(1.0));
}

#[test]
fn a_probe_has_only_so_long() {
    let mut model = failing();
    let mut slow = model.probe(A, 11);
    assert!(model.is_open(B, 20));
    let mut probe = model.probe(B, 21);
    // What the slow one says later takes nothing away from the next.
    model.note(&mut slow, Outcome::Neither, 22);
    assert!(model.admit(C, 22).is_none());
    model.note(&mut probe, Outcome::Good, 23);
    assert_eq!(model.look(C, 23), State::Closed);
}

#[test]
fn who_probed_last_stands_back_for_others() {
    let mut model = failing();
    let mut probe = model.probe(A, 11);
    assert!(matches!(model.ask(B, 11), State::Open { .. }));
    model.note(&mut probe, Outcome::Fault, 11);
    assert!(model.admit(A, 21).is_none(), "another has asked");
    assert_eq!(model.look(B, 21), State::HalfOpen);
    // It does not come: then the first again.
    assert!(model.admit(A, 31).is_some());
}

#[test]
fn one_tenants_failing_probes_keep_only_itself_away() {
    let mut model = failing();
    let mut probe = model.probe(A, 11);
    model.note(&mut probe, Outcome::Fault, 11);
    for n in 1..6 {
        let now = 11 + 10 * n;
        let mut probe = model.probe(A, now);
        model.note(&mut probe, Outcome::Fault, now);
        assert_eq!(model.look(A, now), State::Open { wait: at(10) }, "nothing doubles for one tenant");
        assert_eq!(model.look(B, now), State::HalfOpen, "and others need not wait again");
    }
    let mut probe = model.probe(B, 61);
    model.note(&mut probe, Outcome::Good, 61);
    assert_eq!(model.look(A, 61), State::Closed);
}

#[test]
fn few_or_old_failures_open_nothing() {
    let mut model = Model::default();
    model.noted(A, Outcome::Fault, 9, 1);
    assert_eq!(model.look(A, 1), State::Closed);
    model.noted(A, Outcome::Fault, 1, 60);
    assert_eq!(model.look(A, 60), State::Closed, "the others are too old to count");
    model.noted(A, Outcome::Neither, 100, 60);
    assert_eq!(model.kept(A), 1);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut model = Model::default();
    model.noted(A, Outcome::Good, 10 * OUTCOMES_KEPT, 1);
    assert_eq!(model.kept(A), OUTCOMES_KEPT);
    for n in 0..4 * TENANTS_KEPT_MAX as u128 {
        model.noted(A, Outcome::Good, 1, 2 + n as u64 / 64);
        model.noted(TenantId::from_bytes((n + 1_000).to_be_bytes()), Outcome::Good, 1, 2 + n as u64 / 64);
        assert!(model.record.tenants.len() <= TENANTS_KEPT_MAX);
    }
    assert_eq!(model.kept(A), OUTCOMES_KEPT, "who is heard of stays");
}

#[test]
fn a_share_is_ones_own_or_that_of_several() {
    let mut model = failing();
    let share = |model: &Model, tenant, circuit_outcomes_min| {
        model.record.share(tenant, &RouteSettings { circuit_outcomes_min, ..RouteSettings::default() })
    };
    assert_eq!(share(&model, C, 10), Some(0.5));
    assert_eq!(share(&model, C, 20), None, "too few");
    let mut probe = model.probe(C, 11);
    model.note(&mut probe, Outcome::Good, 11);
    assert_eq!(share(&model, C, 1), None, "forgotten with the circuit");
    let mut one = Model::default();
    one.noted(A, Outcome::Fault, 5, 1);
    assert_eq!(share(&one, B, 5), None, "what one tenant sees says nothing to others");
    one.noted(C, Outcome::Good, 5, 1);
    assert_eq!(share(&one, B, 10), Some(0.0), "nor does it where another is served");
    assert_eq!(share(&one, A, 5), Some(1.0));
}

#[test]
fn only_the_providers_own_faults_count() {
    let error = |kind| Error::new(kind, "");
    let of = |kind| Outcome::of(Some(&error(kind)), true);
    assert_eq!(Outcome::of(None, true), Outcome::Good);
    assert_eq!(of(ErrorKind::ProviderTimeout), Outcome::Fault);
    assert_eq!(of(ErrorKind::ProviderRejected(400)), Outcome::Neither);
    assert_eq!(of(ErrorKind::ProviderRateLimited { retry_after: None }), Outcome::Neither);
    // What callers can make it do is none of its faults.
    assert_eq!(of(ErrorKind::AnswerTooLarge), Outcome::Neither);
    let ran_out = |why, is_stream| Outcome::of(Some(&error(ErrorKind::ProviderTimeout).caused_by(why)), is_stream);
    for why in [RanOut::Beginning, RanOut::Silence, RanOut::Total] {
        assert_eq!(ran_out(why, false), Outcome::Neither);
    }
    assert_eq!(ran_out(RanOut::Total, true), Outcome::Neither);
    assert_eq!(ran_out(RanOut::Beginning, true), Outcome::Fault);
    assert_eq!(ran_out(RanOut::Silence, true), Outcome::Fault);
}

fn card() -> Arc<ModelCard> {
    let book = PriceBook::parse(SIMULATOR_PRICES, "prices").unwrap();
    let providers = Providers::new(vec![ProviderSettings::new("simulator", "http://127.0.0.1:1/v1")], book).unwrap();
    let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    providers.candidates("sim-small", Operation::Chat, now, &Viewer::default()).unwrap().remove(0).card
}

#[test]
fn accounts_are_noted_apart_and_bounded() {
    let health = Health::new(RouteSettings::default(), Arc::new(ManualClock::at(Timestamp::default())));
    let card = card();
    let own = |n: usize| LaneKey::of(&card, Some(CredentialId::from_bytes((n as u128).to_be_bytes())));
    for _ in 0..10 {
        health.admit(own(0), A).unwrap().report(Outcome::Fault);
    }
    assert!(health.is_open(&own(0), A));
    assert!(!health.is_open(&LaneKey::of(&card, None), A) && !health.is_open(&own(1), A));
    for n in 1..=2 * RECORDS_KEPT_MAX {
        drop(health.admit(own(n), B));
        assert!(health.records.lock().len() <= RECORDS_KEPT_MAX);
    }
    assert!(health.is_open(&own(0), A), "what shows something stays while others do not");
}

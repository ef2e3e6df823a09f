use insula_model::{CredentialId, ManualClock, Operation, Timestamp};
use insula_providers::{ModelCard, PriceBook, ProviderSettings, Providers, SIMULATOR_PRICES, Viewer};

use super::*;

const A: TenantId = TenantId::from_bytes([1; 16]);
const B: TenantId = TenantId::from_bytes([2; 16]);
const C: TenantId = TenantId::from_bytes([3; 16]);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn noted(record: &mut Record, tenant: TenantId, outcome: Outcome, times: usize, now: Duration) {
    for _ in 0..times {
        record.note(tenant, outcome, now, &RouteSettings::default());
    }
}

/// Half of the requests of two tenants failed.
fn failing() -> Record {
    let mut record = Record::default();
    for tenant in [A, B] {
        noted(&mut record, tenant, Outcome::Good, 3, at(0));
        noted(&mut record, tenant, Outcome::Fault, 3, at(0));
    }
    record
}

#[test]
fn a_circuit_opens_rests_and_probes_once_at_a_time() {
    let (mut record, settings) = (failing(), RouteSettings::default());
    assert_eq!(record.look(C, at(1)), State::Open { wait: at(9) });
    assert_eq!(record.admit(C, at(1)), None);
    assert_eq!(record.look(C, at(10)), State::HalfOpen);
    let probe = record.admit(C, at(10)).flatten();
    assert_eq!(probe, Some(Reach::Everybody));
    assert_eq!(record.admit(A, at(10)), None, "one at a time");
    // It fails: a longer rest.
    record.note_probe(Reach::Everybody, Outcome::Fault, at(10), &settings);
    assert_eq!(record.look(A, at(10)), State::Open { wait: at(20) });
    // It says nothing: the next one probes.
    assert!(record.admit(A, at(30)).flatten().is_some());
    record.note_probe(Reach::Everybody, Outcome::Neither, at(30), &settings);
    assert!(record.admit(B, at(30)).flatten().is_some());
    record.note_probe(Reach::Everybody, Outcome::Good, at(31), &settings);
    assert_eq!(record.admit(A, at(31)), Some(None), "closed, with nothing held against it");
}

#[test]
fn one_tenant_alone_closes_the_way_for_itself() {
    let mut record = Record::default();
    noted(&mut record, B, Outcome::Good, 5, at(0));
    noted(&mut record, A, Outcome::Fault, 20, at(0));
    assert!(matches!(record.look(A, at(1)), State::Open { .. }));
    assert_eq!(record.look(B, at(1)), State::Closed);
    assert_eq!(record.look(C, at(1)), State::Closed);
    // A stray failure of another tenant changes nothing.
    noted(&mut record, B, Outcome::Fault, 1, at(1));
    assert_eq!(record.look(B, at(1)), State::Closed);
}

#[test]
fn strays_of_two_tenants_close_nothing_for_whom_it_serves() {
    let mut record = Record::default();
    noted(&mut record, C, Outcome::Good, 9, at(0));
    noted(&mut record, A, Outcome::Fault, 3, at(1));
    noted(&mut record, B, Outcome::Fault, 1, at(1));
    assert_eq!(record.look(C, at(1)), State::Closed, "4 of 13");
    noted(&mut record, B, Outcome::Fault, 5, at(2));
    assert!(matches!(record.look(C, at(2)), State::Open { .. }), "9 of 18");
}

#[test]
fn few_or_old_failures_open_nothing() {
    let mut record = Record::default();
    noted(&mut record, A, Outcome::Fault, 9, at(0));
    assert_eq!(record.look(A, at(0)), State::Closed);
    noted(&mut record, A, Outcome::Fault, 1, at(60));
    assert_eq!(record.look(A, at(60)), State::Closed, "the others are too old to count");
    noted(&mut record, A, Outcome::Neither, 100, at(60));
    assert_eq!(record.outcomes.len(), 1);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut record = Record::default();
    noted(&mut record, A, Outcome::Good, 10 * OUTCOMES_KEPT, at(0));
    assert_eq!(record.outcomes.len(), OUTCOMES_KEPT);
    for n in 0..=u8::MAX {
        noted(&mut record, TenantId::from_bytes([n; 16]), Outcome::Fault, 10, at(0));
        record.everybody = None;
    }
    assert!(record.ones.len() <= OUTCOMES_KEPT / 10 + 1, "{}", record.ones.len());
}

#[test]
fn a_share_is_ones_own_or_that_of_several() {
    let mut record = failing();
    assert_eq!(record.share(C, 10), Some(0.5));
    assert_eq!(record.share(C, 20), None, "too few");
    noted(&mut record, C, Outcome::Good, 10, at(0));
    assert_eq!(record.share(C, 10), Some(0.0));
    assert_eq!(Record::default().share(C, 10), None);
    let mut alone = Record::default();
    noted(&mut alone, A, Outcome::Fault, 5, at(0));
    assert_eq!(alone.share(B, 5), None, "what one tenant sees says nothing to others");
}

#[test]
fn only_the_providers_own_faults_count() {
    let of = |kind| Outcome::of(Some(&Error::new(kind, "")));
    assert_eq!(Outcome::of(None), Outcome::Good);
    assert_eq!(of(ErrorKind::ProviderTimeout), Outcome::Fault);
    assert_eq!(of(ErrorKind::ProviderRejected(400)), Outcome::Neither);
    assert_eq!(of(ErrorKind::ProviderRateLimited { retry_after: None }), Outcome::Neither);
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

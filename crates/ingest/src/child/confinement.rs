//! What the kernel keeps from a process that reads a document, so that a parser that a stranger has taken over finds nothing to take.
//!
//! Two layers, and either holds alone. *Landlock* takes every file from it, and every TCP port where the kernel is new enough. *Seccomp*
//! leaves it the calls that memory, threads, clocks and streams that are open already take, and refuses all others: it opens nothing,
//! connects to nothing, starts nothing, and looks into no other process. A kernel or a container without one of them leaves the other, and
//! the limits that hold everywhere; [`Confinement`] says how it stands.

use std::{collections::BTreeMap, fmt};

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr, RulesetError, RulesetStatus,
    Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    apply_filter_all_threads,
};
use serde::{Deserialize, Serialize};

/// The newest Landlock whose rights are all taken; an older kernel takes those that it knows.
const LANDLOCK: ABI = ABI::V6;

/// What the kernel keeps from who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// What Landlock does.
    pub files: Files,
    /// Whether seccomp refuses every call but a few.
    pub few_calls: bool,
}

/// What Landlock keeps from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Files {
    /// Nothing: this kernel has no Landlock, or it is switched off.
    Open,
    /// All files.
    Closed,
    /// All files, and all ports of TCP.
    ClosedWithTcp,
}

impl Confinement {
    /// Whether both layers are there.
    pub fn is_whole(self) -> bool {
        self.few_calls && self.files != Files::Open
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = match self.files {
            Files::Open => "no Landlock",
            Files::Closed => "no file (Landlock)",
            Files::ClosedWithTcp => "no file and no TCP port (Landlock)",
        };
        let calls = if self.few_calls { "few system calls (seccomp)" } else { "no seccomp" };
        write!(f, "{files}, {calls}")
    }
}

/// Confines this process for good, as far as its kernel can.
pub(super) fn confine() -> Confinement {
    // In this order: the calls that the first takes are not among those that the second leaves.
    let files = close_files().map_or(Files::Open, |status| closed(&status));
    let few_calls = leave_few_calls().is_ok();
    Confinement { files, few_calls }
}

/// Takes all files from this thread and those that it starts.
fn close_files() -> Result<RestrictionStatus, RulesetError> {
    // No rule follows that would give anything back.
    Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .restrict_self()
}

fn closed(status: &RestrictionStatus) -> Files {
    match status.landlock {
        _ if status.ruleset == RulesetStatus::NotEnforced => Files::Open,
        LandlockStatus::Available { effective_abi, .. } if effective_abi >= ABI::V4 => Files::ClosedWithTcp,
        LandlockStatus::Available { .. } => Files::Closed,
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => Files::Open,
    }
}

/// Refuses every call but a few to all threads of this process.
fn leave_few_calls() -> Result<(), seccompiler::Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    // What it does is said in memory, where no filter looks. Told that there is no such call, the C library takes the one whose flags are
    // looked at below.
    let no_such_call = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let clone3 = SeccompFilter::new(clone3, SeccompAction::Allow, no_such_call, arch)?;
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let few = SeccompFilter::new(few_calls()?, refused, SeccompAction::Allow, arch)?;
    // Both programs first: the one must not keep the other from being loaded.
    let (clone3, few): (BpfProgram, BpfProgram) = (clone3.try_into()?, few.try_into()?);
    apply_filter_all_threads(&clone3)?;
    apply_filter_all_threads(&few)
}

/// The calls that are left, each with what must hold of its arguments.
fn few_calls() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut calls: BTreeMap<i64, Vec<SeccompRule>> = ANYHOW.iter().map(|call| (*call, Vec::new())).collect();
    let has = |argument, length, comparison, value| SeccompCondition::new(argument, length, comparison, value);
    let flags = |argument, mask: libc::c_int, wanted: libc::c_int| {
        let (mask, wanted) = (u64::from(mask.unsigned_abs()), u64::from(wanted.unsigned_abs()));
        has(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), wanted)
    };
    let mut only = |call: i64, condition: SeccompCondition| -> Result<(), seccompiler::BackendError> {
        calls.entry(call).or_default().push(SeccompRule::new(vec![condition])?);
        Ok(())
    };
    // Memory that holds no program.
    only(libc::SYS_mmap, flags(2, libc::PROT_EXEC, 0)?)?;
    only(libc::SYS_mprotect, flags(2, libc::PROT_EXEC, 0)?)?;
    // Threads and no processes.
    only(libc::SYS_clone, flags(0, libc::CLONE_THREAD, libc::CLONE_THREAD)?)?;
    // Signals to itself, with which a program that gives up ends.
    let own = u64::from(std::process::id());
    only(libc::SYS_tgkill, has(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, own)?)?;
    // The name of a thread.
    only(libc::SYS_prctl, has(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::from(libc::PR_SET_NAME.unsigned_abs()))?)?;
    // Limits to be read, not set.
    only(libc::SYS_prlimit64, has(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?)?;
    Ok(calls)
}

/// Calls that are left whatever their arguments are.
const ANYHOW: &[i64] = &[
    // Streams that are open already.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Threads. The filter before this one says of the first that there is no such call.
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    // Signals of its own.
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Clocks and chance.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
];

#[cfg(test)]
mod tests;

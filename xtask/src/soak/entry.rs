//! What can be run for long.

use std::thread;

use anyhow::Result;
use clap::ValueEnum;

use crate::eval;
use crate::integration_test::{Program, one_test, vm_soak};
use crate::run::{cargo, tool};
use crate::steps::Step;
use crate::test::step;
use crate::vm::{self, Kernel};

/// Images in an emulated machine: 1,000 take it longer than five minutes.
const EMULATED_IMAGES: u32 = 200;
const RACES: &str = "races::";
/// Ten of fuzzing and the build.
const FUZZING_MINUTES: u64 = 40;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Entry {
    /// 10,000 opens whose path another thread changes
    RacesOpen,
    /// 10,000 connects whose address another thread changes
    RacesConnect,
    /// 10,000 images whose argument another thread changes
    RacesExec,
    /// 10,000 opens whose descriptor another thread takes
    RacesDescriptor,
    /// 10,000 removed names that another thread changes
    RacesUnlink,
    /// 10,000 moved names that another thread changes
    RacesRename,
    /// 10,000 files that another thread exchanges while their mode changes
    RacesChmod,
    /// A container that opens files for 30 s, beside one that runs and connects 1,000 times
    Fairness,
    /// The agent is killed 100 times while it stores 2,000 alerts a second
    Kills,
    /// 5,000 alerts a second for 60 s to a fast, a slow and a stalled subscriber
    Subscribers,
    /// 200 reloads of the rules while 20,000 files are opened a second
    Reload,
    /// Two agents watch the same, one with the kernel cache and one without, over 200 reloads
    KernelCache,
    /// 10 minutes of changed captures, which the reader refuses or replays
    FuzzCapture,
    /// 10 minutes of changed conditions, which are read as they are written, and loaded or refused
    FuzzConditions,
    /// 10 minutes of changed rule files in Falco's language, which are loaded or refused
    FuzzRules,
    /// The same with Sigma's
    FuzzSigma,
    /// 10 minutes of nginx, redis and PostgreSQL under load, without an alert
    Benign,
    /// The evaluation of baselines, some hours; what was recorded before is not recorded again
    Baselines,
    /// All races with Linux 6.1 in an emulated machine, 10,000 rounds each, 200 of images
    #[value(name = "races-vm-6.1")]
    RacesVm6_1,
    /// The same with Linux 6.12
    #[value(name = "races-vm-6.12")]
    RacesVm6_12,
}

impl Entry {
    /// The name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RacesOpen => "races-open",
            Self::RacesConnect => "races-connect",
            Self::RacesExec => "races-exec",
            Self::RacesDescriptor => "races-descriptor",
            Self::RacesUnlink => "races-unlink",
            Self::RacesRename => "races-rename",
            Self::RacesChmod => "races-chmod",
            Self::Fairness => "fairness",
            Self::Kills => "kills",
            Self::Subscribers => "subscribers",
            Self::Reload => "reload",
            Self::KernelCache => "kernel-cache",
            Self::FuzzCapture => "fuzz-capture",
            Self::FuzzConditions => "fuzz-conditions",
            Self::FuzzRules => "fuzz-rules",
            Self::FuzzSigma => "fuzz-sigma",
            Self::Benign => "benign",
            Self::Baselines => "baselines",
            Self::RacesVm6_1 => "races-vm-6.1",
            Self::RacesVm6_12 => "races-vm-6.12",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        let mut all = Self::value_variants().iter().copied();
        all.find(|entry| entry.name() == name)
    }

    /// What it runs.
    pub(super) fn step(self) -> Result<Step> {
        match self.place() {
            Place::Here {
                program,
                test,
                minutes,
            } => {
                let mut command = one_test(program, test);
                command.envs(variables(None));
                Ok(step(self.name(), vec![command], minutes, &["build"]))
            }
            Place::Unit(test) => {
                let mut command = cargo();
                command.args([
                    "test",
                    "--workspace",
                    "--exclude",
                    "integration-test",
                    "--lib",
                ]);
                command.args(["--", "--exact", test, "--nocapture"]);
                command.envs(variables(None));
                Ok(step(self.name(), vec![command], FUZZING_MINUTES, &[]))
            }
            Place::Tool { name, minutes } => {
                let commands = vec![tool(name, &[])];
                Ok(step(self.name(), commands, minutes, &["build"]))
            }
            Place::Vm(kernel) => vm_soak(self.name(), kernel, EMULATED_IMAGES, RACES),
        }
    }

    /// Release of the kernel that it runs on; `None` if that was not fetched yet.
    pub(super) fn kernel(self) -> Option<String> {
        match self.place() {
            Place::Here { .. } | Place::Unit(_) | Place::Tool { .. } => {
                let name = rustix::system::uname();
                Some(name.release().to_string_lossy().into_owned())
            }
            Place::Vm(kernel) => kernel.release(),
        }
    }

    /// Processors of the machine that it runs on.
    pub(super) fn cores(self) -> usize {
        match self.place() {
            Place::Here { .. } | Place::Unit(_) | Place::Tool { .. } => {
                thread::available_parallelism().map_or(0, usize::from)
            }
            Place::Vm(_) => vm::CORES,
        }
    }

    const fn place(self) -> Place {
        match self {
            Self::RacesOpen => sensor("races::the_path_of_an_open"),
            Self::RacesConnect => sensor("races::the_address_of_a_connect"),
            Self::RacesExec => sensor("races::the_arguments_of_an_exec"),
            Self::RacesDescriptor => sensor("races::the_descriptor_of_an_open"),
            Self::RacesUnlink => sensor("races::the_name_of_an_unlink"),
            Self::RacesRename => sensor("races::the_name_of_a_rename"),
            Self::RacesChmod => sensor("races::the_name_of_a_chmod"),
            Self::Fairness => Place::Here {
                program: Program::Suites,
                test: "fairness::a_flood_of_one_container_costs_another_nothing",
                minutes: 15,
            },
            Self::Kills => Place::Here {
                program: Program::Suites,
                test: "spool::kills_at_random_moments_lose_nothing",
                minutes: 40,
            },
            Self::Subscribers => Place::Here {
                program: Program::Suites,
                test: "subscribers::a_stalled_and_a_slow_one_cost_a_fast_one_nothing",
                minutes: 15,
            },
            Self::Reload => Place::Here {
                program: Program::Suites,
                test: "reload::under_load_no_event_meets_a_mixed_set",
                minutes: 30,
            },
            Self::KernelCache => Place::Here {
                program: Program::Suites,
                test: "baseline::the_kernel_cache_changes_nothing",
                minutes: 15,
            },
            Self::FuzzCapture => {
                Place::Unit("capture::tests::fuzz::mutated_captures_are_read_or_refused")
            }
            Self::FuzzConditions => {
                Place::Unit("detect::tests::fuzz::mutated_conditions_are_read_or_refused")
            }
            Self::FuzzRules => {
                Place::Unit("detect::tests::fuzz::mutated_rule_files_are_loaded_or_refused")
            }
            Self::FuzzSigma => {
                Place::Unit("detect::tests::fuzz::mutated_sigma_files_are_loaded_or_refused")
            }
            Self::Benign => Place::Here {
                program: Program::Suites,
                test: "benign::nginx_redis_and_postgresql_under_load_raise_no_alert",
                minutes: 25,
            },
            Self::Baselines => Place::Tool {
                name: eval::BASELINES,
                minutes: 360,
            },
            Self::RacesVm6_1 => Place::Vm(Kernel::V6_1),
            Self::RacesVm6_12 => Place::Vm(Kernel::V6_12),
        }
    }
}

/// Where an entry runs.
enum Place {
    /// One test, on this machine.
    Here {
        program: Program,
        test: &'static str,
        minutes: u64,
    },
    /// One unit test, with the checks of a debug build.
    Unit(&'static str),
    /// A program beside the tests, on this machine.
    Tool { name: &'static str, minutes: u64 },
    /// All races, in a virtual machine.
    Vm(Kernel),
}

const fn sensor(test: &'static str) -> Place {
    Place::Here {
        program: Program::Sensor,
        test,
        minutes: 15,
    }
}

/// What tells a test program to run its long form, with fewer images if it says how many.
pub(crate) fn variables(images: Option<u32>) -> Vec<(&'static str, String)> {
    let mut variables = vec![("GRAVLENS_SOAK", "1".to_owned())];
    if let Some(images) = images {
        variables.push(("GRAVLENS_SOAK_IMAGES", images.to_string()));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration_test::programs_with;
    use crate::run::workspace_root;

    #[test]
    fn every_entry_is_named_as_on_the_command_line() {
        for entry in Entry::value_variants() {
            let value = entry.to_possible_value().unwrap();
            assert_eq!(entry.name(), value.get_name());
            assert_eq!(Entry::named(entry.name()), Some(*entry));
            assert_eq!(entry.step().unwrap().name, entry.name());
        }
        assert_eq!(Entry::named("build"), None);
    }

    /// Whether the file of its module has a function of that name.
    fn is_unit_test(test: &str) -> bool {
        let (module, name) = test.rsplit_once("::").unwrap();
        let file = format!("agent/src/{}.rs", module.replace("::", "/"));
        let text = std::fs::read_to_string(workspace_root().join(file)).unwrap();
        text.contains(&format!("#[test]\nfn {name}()"))
    }

    #[test]
    fn every_entry_runs_a_test_that_there_is() {
        for entry in Entry::value_variants() {
            let (program, test) = match entry.place() {
                Place::Here { program, test, .. } => (program, test),
                Place::Vm(_) => (Program::Sensor, RACES),
                Place::Tool { .. } => continue,
                Place::Unit(test) => {
                    assert!(is_unit_test(test), "{test}");
                    continue;
                }
            };
            assert_eq!(programs_with(&[test.to_owned()]).unwrap(), [program]);
        }
    }
}

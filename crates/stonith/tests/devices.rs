//! Scripts and fence agents, made for the purpose: what they are handed, and what is made of how they end.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stonith::{Code, Device, Kind, Level, Parameters, Places, Refusal, Request, Source};

/// A machine with scripts and agents of its own.
struct Bench {
    directory: PathBuf,
    places: Places,
    said: Vec<(Level, String)>,
    _alone: MutexGuard<'static, ()>,
}

/// One at a time: a script that is being written cannot be run, and a child that another thread starts at that moment
/// has it open for a while.
static ALONE: Mutex<()> = Mutex::new(());

impl Bench {
    fn new() -> Bench {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("stonith-devices-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir(&directory).unwrap();
        let places = Places {
            external: vec![directory.clone()],
            agents: vec![directory.clone()],
            run: directory.clone(),
        };
        Bench {
            directory,
            places,
            said: Vec::new(),
            _alone: alone,
        }
    }

    /// A script; `@` in it stands for the directory.
    fn script(&self, name: &str, mode: u32, body: &str) {
        let path = self.directory.join(name);
        let body = body.replace('@', self.directory.to_str().unwrap());
        std::fs::write(&path, format!("#!/bin/sh\n{body}")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }

    fn device(&mut self, kind: &str, source: Source) -> Result<Device, Refusal> {
        let kind = Kind::find(kind, &self.places).unwrap();
        let said = &mut self.said;
        let places = self.places.clone();
        Device::new(kind, &source, &places, &mut |level, text| {
            said.push((level, text.to_owned()));
        })
    }

    fn request(&mut self, device: &Device, request: Request, node: &str) -> Code {
        let said = &mut self.said;
        device.request(request, node, &mut |level, text| {
            said.push((level, text.to_owned()));
        })
    }

    fn status(&mut self, device: &Device) -> Code {
        let said = &mut self.said;
        device.status(&mut |level, text| said.push((level, text.to_owned())))
    }

    fn texts(&self) -> String {
        let lines: Vec<&str> = self.said.iter().map(|(_, text)| text.as_str()).collect();
        lines.join("\n")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Source {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Source::Pairs(Parameters::new(pairs.iter().map(owned).collect()))
}

/// Writes down how it is called; `fail` in the directory holds the code to fail with.
const EXTERNAL: &str = r#"
echo "$*|$userid|$passwd" >>@/calls
case $1 in
getconfignames) echo userid passwd ;;
gethosts) echo Foo BAR ;;
getinfo-devid) echo the device ;;
esac
if test -s @/fail; then echo "login $userid/$passwd refused" >&2; exit $(cat @/fail); fi
"#;

#[test]
fn a_script_has_its_parameters_in_its_environment_and_the_node_in_lower_case() {
    let mut bench = Bench::new();
    bench.script("test", 0o755, EXTERNAL);
    let device = bench
        .device("external/test", Source::Text("admin two words ".into()))
        .unwrap();
    assert_eq!(bench.status(&device), Code::OK);
    assert_eq!(bench.request(&device, Request::Reset, "Beta;ls"), Code::OK);
    assert_eq!(device.hosts(&mut |_, _| {}).unwrap(), ["foo", "bar"]);
    assert_eq!(device.id(&mut |_, _| {}), "the device");
    assert_eq!(
        bench.read("calls"),
        "getconfignames||\nstatus|admin|two words \nreset beta;ls|admin|two words \n\
         gethosts|admin|two words \ngetinfo-devid||\n"
    );
    assert_eq!(bench.texts(), "");
}

#[test]
fn a_failing_script_is_told_with_its_reason_and_without_the_secret() {
    let mut bench = Bench::new();
    bench.script("test", 0o755, EXTERNAL);
    let device = bench
        .device(
            "external/test",
            pairs(&[("userid", "admin"), ("passwd", "geheim")]),
        )
        .unwrap();
    std::fs::write(bench.directory.join("fail"), "7").unwrap();
    assert_eq!(bench.status(&device), Code(7));
    assert_eq!(
        bench.request(&device, Request::Off, "beta"),
        Code::RESET_FAILED
    );
    assert_eq!(
        bench.texts(),
        "external_status: 'test status' failed with rc 7: login admin/**** refused\n\
         external_reset_req: 'test off' for host beta failed with rc 7: login admin/**** refused"
    );
    assert!(!format!("{device:?}").contains("geheim"));
}

#[test]
fn a_script_that_others_may_write_is_not_run() {
    let mut bench = Bench::new();
    bench.script("test", 0o775, EXTERNAL);
    let refusal = bench.device("external/test", pairs(&[])).unwrap_err();
    assert_eq!(refusal, Refusal::Broken(Code::OOPS));
    assert!(
        bench
            .texts()
            .contains("NOT executing for security purposes.")
    );
    assert_eq!(bench.read("calls"), "");
    let places = bench.places.clone();
    let mut warnings = String::new();
    let list = stonith::list(&places, &mut |_, text| warnings.push_str(text));
    assert_eq!(list, ["meatware", "null", "ssh", "suicide"]);
    assert!(
        warnings.contains("ignored (writable by group/others)"),
        "{warnings}"
    );
}

/// Shaped like fence_dummy: reboots when it is not told better, and only warns of lines that it does not know.
const AGENT: &str = r#"
if test "$1" = -o; then
  cat <<'XML'
<resource-agent name="fence_test" shortdesc="Test agent">
<parameters>
<parameter name="action"/><parameter name="ip" required="1"/><parameter name="password"/>
<parameter name="old_ip" deprecated="1"/><parameter name="plug"/><parameter name="verbose"/>
</parameters>
<actions>
<action name="reboot"/><action name="on"/><action name="off"/><action name="monitor"/><action name="list"/><action name="metadata"/>
</actions>
</resource-agent>
XML
  exit 0
fi
action=reboot
while read -r line; do
  echo "$line" >>@/input
  case $line in action=*) action=${line#action=};; esac
done
echo "-- $action" >>@/input
case $action in list) echo beta,; echo Gamma,x;; esac
if test -s @/fail; then echo "Unable to connect/login with geheim" >&2; exit $(cat @/fail); fi
"#;

#[test]
fn an_agent_is_told_its_action_first_and_nothing_that_it_does_not_know() {
    let mut bench = Bench::new();
    bench.script("fence_test", 0o755, AGENT);
    let text = "ip=10.0.0.9 password=geheim hostlist=beta,gamma hostmap=gamma:7";
    let device = bench
        .device("fence_test", Source::Text(text.into()))
        .unwrap();
    assert_eq!(bench.request(&device, Request::Reset, "BETA"), Code::OK);
    assert_eq!(bench.request(&device, Request::Off, "gamma"), Code::OK);
    assert_eq!(
        bench.request(&device, Request::Reset, "delta"),
        Code::BAD_HOST
    );
    assert_eq!(bench.status(&device), Code::OK);
    assert_eq!(
        bench.read("input"),
        "action=reboot\nip=10.0.0.9\npassword=geheim\nnodename=beta\nplug=beta\n-- reboot\n\
         action=off\nip=10.0.0.9\npassword=geheim\nnodename=gamma\nplug=7\n-- off\n\
         action=monitor\nip=10.0.0.9\npassword=geheim\n-- monitor\n"
    );
}

#[test]
fn an_agent_is_known_by_three_names() {
    let bench = Bench::new();
    bench.script("fence_test", 0o755, AGENT);
    for name in ["fence_test", "fence/test", "rhcs/test", "rhcs/fence_test"] {
        assert_eq!(
            Kind::find(name, &bench.places),
            Ok(Kind::Agent("test".into()))
        );
    }
}

#[test]
fn misspelt_parameters_never_reach_an_agent() {
    let mut bench = Bench::new();
    bench.script("fence_test", 0o755, AGENT);
    for (name, value) in [
        ("ipp", "10.0.0.9"),
        ("action", "off"),
        ("verbose", "1"),
        ("ip", "10.0.0.9\naction=off"),
        ("", "x"),
    ] {
        let refusal = bench
            .device("fence_test", pairs(&[(name, value)]))
            .unwrap_err();
        let Refusal::Values { code, names, at } = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!((code, at.as_deref()), (Code::INVALID, Some(name)));
        assert_eq!(names, ["ip", "password", "plug", "hostlist", "hostmap"]);
    }
    let loose = bench.device("fence_test", Source::Text("10.0.0.9 geheim".into()));
    assert_eq!(loose.unwrap_err(), Refusal::Unusable);
    // A word that metadata calls deprecated still works.
    assert!(
        bench
            .device("fence_test", pairs(&[("old_ip", "x")]))
            .is_ok()
    );
    assert_eq!(bench.read("input"), "");
}

#[test]
fn an_agent_without_metadata_is_not_used() {
    let mut bench = Bench::new();
    bench.script("fence_test", 0o755, "cat >>@/input; exit 0\n");
    let refusal = bench.device("fence_test", pairs(&[])).unwrap_err();
    assert_eq!(refusal, Refusal::Broken(Code::OOPS));
    // Had it looked at its input all the same, it would not have found the leave to reboot anything.
    assert_eq!(bench.read("input"), "action=metadata\n");
}

#[test]
fn exit_codes_of_agents_have_their_meaning() {
    let mut bench = Bench::new();
    bench.script("fence_test", 0o755, AGENT);
    let device = bench
        .device("fence_test", pairs(&[("ip", "x"), ("password", "geheim")]))
        .unwrap();
    for (rc, code) in [
        (1, Code::RESET_FAILED),
        (2, Code::BAD_CONFIG),
        (3, Code::ACCESS),
        (4, Code::ACCESS),
        (5, Code::TIMEOUT),
        (7, Code::TIMEOUT),
        (10, Code::ACCESS),
        (12, Code::RESET_FAILED),
    ] {
        std::fs::write(bench.directory.join("fail"), rc.to_string()).unwrap();
        assert_eq!(bench.request(&device, Request::Reset, "beta"), code, "{rc}");
    }
    assert!(
        bench.texts().starts_with(
            "'fence_test reboot' for host beta failed with rc 1: Unable to connect/login with ****"
        ),
        "{}",
        bench.texts()
    );
    assert!(!bench.texts().contains("geheim"));
}

#[test]
fn an_agent_tells_its_nodes_unless_the_administrator_did() {
    let mut bench = Bench::new();
    bench.script("fence_test", 0o755, AGENT);
    let device = bench.device("fence_test", pairs(&[("ip", "x")])).unwrap();
    assert_eq!(device.hosts(&mut |_, _| {}).unwrap(), ["beta", "gamma"]);
    let device = bench
        .device("fence_test", pairs(&[("hostmap", "Beta:1; delta:2")]))
        .unwrap();
    assert_eq!(device.hosts(&mut |_, _| {}).unwrap(), ["beta", "delta"]);
}

#[test]
fn without_reboot_a_reset_is_off_and_on_and_off_is_what_counts() {
    let mut bench = Bench::new();
    let agent = AGENT
        .replace("<action name=\"reboot\"/>", "")
        .replace("if test -s", "if test $action = on && test -s");
    bench.script("fence_test", 0o755, &agent);
    let device = bench.device("fence_test", pairs(&[("ip", "x")])).unwrap();
    std::fs::write(bench.directory.join("fail"), "6").unwrap();
    assert_eq!(bench.request(&device, Request::Reset, "beta"), Code::OK);
    let input = bench.read("input");
    let actions: Vec<&str> = input
        .lines()
        .filter(|line| line.starts_with("--"))
        .collect();
    assert_eq!(actions, ["-- off", "-- on"]);
    assert!(
        bench
            .texts()
            .contains("host beta is off, and does not come on again")
    );
}

#[test]
fn a_file_for_an_agent_has_one_parameter_a_line() {
    let mut bench = Bench::new();
    bench.script("fence_test", 0o755, AGENT);
    let content = "# of the administrator\nip=10.0.0.9\n\npassword = two words\n";
    let device = bench
        .device("fence_test", Source::File(content.into()))
        .unwrap();
    assert_eq!(bench.status(&device), Code::OK);
    assert_eq!(
        bench.read("input"),
        "action=monitor\nip=10.0.0.9\npassword=two words\n-- monitor\n"
    );
}

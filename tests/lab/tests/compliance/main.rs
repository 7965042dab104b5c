//! placeholder
use ha_lab::*;
fn main() {
    run_if_helper();
    if let Err(e) = go() {
        println!("FAILED: {e}");
        std::process::exit(1)
    }
}
fn go() -> Result<()> {
    let t = std::time::Instant::now();
    let lab = Lab::new("smoke")?;
    let imp = Implementation::Legacy;
    let a = lab.host(HostSpec::new("alpha").runs(imp).nic("eth0", "10.0.0.1/24"))?;
    let b = lab.host(HostSpec::new("beta").runs(imp).nic("eth0", "10.0.0.2/24"))?;
    let c = lab.host(HostSpec::new("client").nic("eth0", "10.0.0.9/24"))?;
    println!("booted {:?}", t.elapsed());
    println!("{:?} {:?}", a.addresses(), c.pings("10.0.0.1")?);
    for h in [&a, &b] {
        h.write(
            "/etc/ha.d/ha.cf",
            &HaCf::for_tests(&["alpha", "beta"]).bcast("eth0").text(),
        )?;
        h.write_mode(
            "/etc/ha.d/authkeys",
            Authkeys::new("sha1", "secret").text(),
            0o600,
        )?;
        h.write(
            "/etc/ha.d/haresources",
            "alpha 10.0.0.100/24/eth0 TestRsc::a\nbeta TestRsc::b\n",
        )?;
        TestRsc::install(h)?;
    }
    println!(
        "{}",
        a.sh("ls -la /etc/ha.d /var/run/ /var/lib/heartbeat; mount | head -30; ps ax")?
            .stdout
    );
    a.start_heartbeat()?;
    b.start_heartbeat()?;
    let r = lab.wait_until("vip", seconds(30), || {
        a.has_address("10.0.0.100") && TestRsc::is_running(&a, "a") && TestRsc::is_running(&b, "b")
    });
    r?;
    println!("up {:?}", t.elapsed());
    let p = c.probe("10.0.0.100", millis(5))?;
    wait_until("answers", seconds(5), || p.answers() > 20)?;
    a.power_cut()?;
    wait_until("takeover", seconds(20), || {
        p.latest_server().as_deref() == Some("beta")
    })?;
    println!("{:?}", p.report(millis(50)));
    a.power_up(PowerUp::DiskKept)?;
    a.start_heartbeat()?;
    wait_until("failback", seconds(30), || {
        p.latest_server().as_deref() == Some("alpha")
    })?;
    println!("{:?}", p.report(millis(50)));
    wait_until("stable", seconds(30), || {
        a.log().contains("Standby resource acquisition done")
            && b.log().contains("Other node completed standby")
    })?;
    println!("heal {:?}", t.elapsed());
    lab.lose(&a, None, Loss::Percent(20))?;
    println!("{}", a.tool("hb_standby", &[])?.stderr);
    wait_until("standby", seconds(30), || {
        p.latest_server().as_deref() == Some("beta")
    })?;
    lab.heal()?;
    a.stop_heartbeat()?;
    b.kill_heartbeat()?;
    println!("{:?} {:?}", p.finish(millis(50)), t.elapsed());
    Ok(())
}

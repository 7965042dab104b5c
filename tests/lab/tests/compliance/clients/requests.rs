//! Every request and its answer, and everything that a client may do wrong, message by message.
//!
//! An expected message is written as its fields on one line, a star for what differs from run to run, `%` for any text.

use ha_lab::Result;

use super::words::{
    LIMIT, SENT, end, join, leave, netstring, pairs_of, said, said_before, signed_on, welcome,
};
use super::{Differences, api_test, messages, refusals, started};
use crate::pair::Pair;

/// A request with the fields after the five that lead every request, and its answers without their first two fields.
type Exchange = (&'static str, &'static str, &'static [&'static str]);

/// Asked by a named client on alpha (`client-api.md` 3).
const EXCHANGES: &[Exchange] = &[
    ("numnodes", "", &["numnodes=2, result=OK"]),
    ("setfilter", "fmask=1", &["result=OK"]),
    ("setfilter", "fmask=0", &["result=badreq, info=EINVAL"]),
    ("setfilter", "", &["result=badreq, info=EINVAL"]),
    ("setsignal", "signal=0", &["result=OK"]),
    ("setsignal", "signal=9", &["result=badreq, info=EINVAL"]),
    ("setsignal", "signal=19", &["result=badreq, info=EINVAL"]),
    ("setsignal", "signal=32", &["result=badreq, info=EINVAL"]),
    ("setsignal", "", &["result=badreq"]),
    (
        "nodelist",
        "",
        &[
            "node=10.0.0.9, nodetype=ping, st=ping, result=ok/more",
            "node=alpha, nodetype=normal, st=active, result=ok/more",
            "node=beta, nodetype=normal, st=active, result=OK",
        ],
    ),
    ("nodestatus", "node=beta", &["st=active, result=OK"]),
    ("nodestatus", "node=BETA", &["st=active, result=OK"]),
    ("nodestatus", "node=10.0.0.9", &["st=ping, result=OK"]),
    ("nodestatus", "node=nosuch", &["result=badreq, info=EINVAL"]),
    ("nodestatus", "", &["result=badreq, info=EINVAL"]),
    ("nodeweight", "node=beta", &["weight=100, result=OK"]),
    ("nodeweight", "node=nosuch", &["result=badreq, info=EINVAL"]),
    ("nodesite", "node=beta", &["site=, result=OK"]),
    ("nodesite", "", &["result=badreq, info=EINVAL"]),
    ("nodetype", "node=beta", &["nodetype=normal, result=OK"]),
    ("nodetype", "node=10.0.0.9", &["nodetype=ping, result=OK"]),
    ("nodetype", "node=nosuch", &["result=badreq, info=EINVAL"]),
    ("iflist", "node=beta", &["ifname=eth0, st=up, result=OK"]),
    (
        "iflist",
        "node=10.0.0.9",
        &["ifname=10.0.0.9, st=up, result=OK"],
    ),
    ("iflist", "node=nosuch", &["result=badreq, info=EINVAL"]),
    ("ifstatus", "node=beta, ifname=eth0", &["st=up, result=OK"]),
    (
        "ifstatus",
        "node=10.0.0.9, ifname=10.0.0.9",
        &["st=up, result=OK"],
    ),
    (
        "ifstatus",
        "node=beta, ifname=eth9",
        &["result=badreq, info=EINVAL"],
    ),
    ("ifstatus", "node=beta", &["result=badreq, info=EINVAL"]),
    (
        "clientstatus",
        "node=alpha, cn=tiny",
        &["subt=respond-cstatus, cs=online, result=OK"],
    ),
    (
        "clientstatus",
        "node=alpha, cn=nosuch",
        &["subt=respond-cstatus, cs=offline, result=OK"],
    ),
    (
        "clientstatus",
        "node=10.0.0.9, cn=tiny",
        &["subt=respond-cstatus, cs=offline, result=OK"],
    ),
    (
        "clientstatus",
        "node=nosuch, cn=tiny",
        &["result=badreq, info=EINVAL"],
    ),
    (
        "clientstatus",
        "node=alpha",
        &["result=badreq, info=EINVAL"],
    ),
    ("getparm", "pname=keepalive", &["pvalue=300ms, result=OK"]),
    ("getparm", "pname=auto_failback", &["pvalue=off, result=OK"]),
    ("getparm", "pname=nosuch", &["result=OK"]),
    ("getparm", "pname=ping", &["result=OK"]),
    ("getparm", "", &["result=badreq, info=EINVAL"]),
    ("getrsc", "", &["rsc_hold=local, result=OK"]),
    ("getuuid", "queryname=beta", &["(1)queryuuid=*, result=OK"]),
    ("getuuid", "queryname=nosuch", &["result=OK"]),
    (
        "getuuid",
        "",
        &["result=badreq, info=no query node name found"],
    ),
    (
        "getnodename",
        "(1)queryuuid=AAAAAAAAAAAAAAAAAAAAAA==",
        &["result=OK"],
    ),
    (
        "getnodename",
        "queryuuid=x",
        &["result=badreq, info=no query node name found"],
    ),
    ("nodelist-end", "", &["result=badreq"]),
    ("iflist-end", "", &["result=badreq"]),
    ("nosuchrequest", "", &["result=badreq"]),
    ("signon", "uid=0, gid=0", &["result=badreq"]),
    ("set_sendqlen", "sendqlen=200", &[]),
];

pub fn dialogues(pair: &Pair) -> Result<()> {
    started(pair, &[])?;
    let mut differences = Differences::default();
    sign_on_and_off(pair, &mut differences)?;
    requests(pair, &mut differences)?;
    refusals::check(pair, &mut differences)?;
    mistakes(pair, &mut differences)?;
    api_test::start(pair)?;
    messages::to_the_cluster(pair, &mut differences)?;
    messages::filters(pair, &mut differences)?;
    api_test::check(pair, &mut differences)?;
    differences.finish()
}

// ---- Signing on and off --------------------------------------------------------------------------------------------

/// A named client is told of its own coming before it is answered, and of its going; a casual one is not.
fn sign_on_and_off(pair: &Pair, differences: &mut Differences) -> Result<()> {
    let mut named = pair.alpha.api_client("tiny")?;
    named.request_signon()?;
    differences.compare(
        "a named client signs on",
        &[join("tiny", "alpha"), welcome()],
        &said(&mut named, 2)?,
    );
    named.request("signoff", &[])?;
    differences.compare(
        "a named client signs off",
        &[leave("tiny", "signoff"), end()],
        &said(&mut named, 2)?,
    );

    let mut casual = pair.alpha.api_client("")?;
    casual.request_signon()?;
    differences.compare(
        "a casual client signs on",
        &[welcome()],
        &said(&mut casual, 1)?,
    );
    casual.request("nodestatus", &[("node", "beta")])?;
    let expected = ["t=hbapi-resp, reqtype=nodestatus, st=active, result=OK"];
    differences.compare("a casual client asks", &expected, &said(&mut casual, 1)?);
    casual.request("signoff", &[])?;
    differences.compare(
        "a casual client signs off",
        &[end()],
        &said(&mut casual, 1)?,
    );

    let name = "n".repeat(31);
    let mut long = pair.alpha.api_client(&name)?;
    long.request_signon()?;
    differences.compare(
        "a name of 31 octets",
        &[join(&name, "alpha"), welcome()],
        &said(&mut long, 2)?,
    );
    Ok(())
}

fn requests(pair: &Pair, differences: &mut Differences) -> Result<()> {
    let mut client = signed_on(&pair.alpha, "tiny")?;
    for &(kind, fields, answers) in EXCHANGES {
        client.request(kind, &pairs_of(fields))?;
        // Whatever is said too much comes before the answer to a question of our own.
        client.request("getparm", &[("pname", "cluster")])?;
        let expected: Vec<String> = answers
            .iter()
            .map(|rest| format!("t=hbapi-resp, reqtype={kind}, {rest}"))
            .collect();
        let seen = said_before(
            &mut client,
            "t=hbapi-resp, reqtype=getparm, pvalue=linux-ha, result=OK",
        )?;
        differences.compare(&format!("{kind} {fields}"), &expected, &seen);
    }
    client.request("getuuid", &[("queryname", "beta")])?;
    let answer = client.answer(LIMIT)?;
    client.request(
        "getnodename",
        &[("(1)queryuuid", answer.get("(1)queryuuid"))],
    )?;
    let expected = ["t=hbapi-resp, reqtype=getnodename, queryname=beta, result=OK"];
    differences.compare(
        "the name for beta's uuid",
        &expected,
        &said(&mut client, 1)?,
    );
    for asked in ["tiny", "nosuch"] {
        client.request("clientstatus", &[("node", "beta"), ("cn", asked)])?;
        let expected = [format!(
            "t=respond-cstatus, dest=alpha, result=OK, cn={asked}, to_id=tiny, cs=offline, (1)destuuid=*, src=beta, {SENT}"
        )];
        differences.compare(
            &format!("beta's client {asked}"),
            &expected,
            &said(&mut client, 1)?,
        );
    }
    Ok(())
}

// ---- What is wrong ---------------------------------------------------------------------------------------------

/// What a client does wrong after or instead of signing on.
fn mistakes(pair: &Pair, differences: &mut Differences) -> Result<()> {
    let alpha = &pair.alpha;
    let numnodes = "t=hbapi-resp, reqtype=numnodes, numnodes=2, result=OK";

    let mut early = alpha.api_client("tiny2")?;
    early.request("nodelist", &[])?;
    early.request_signon()?;
    differences.compare(
        "a request before sign-on",
        &[join("tiny2", "alpha"), welcome()],
        &said(&mut early, 2)?,
    );

    let mut casual = alpha.api_client("")?;
    casual.request_signon()?;
    casual.send(&[("t", "tinytest"), ("a", "b")])?;
    differences.compare(
        "a casual client speaks to the cluster",
        &[welcome(), end()],
        &said(&mut casual, 2)?,
    );

    let mut client = signed_on(alpha, "tiny3")?;
    client.send_body(b"garbage\0")?;
    client.request("numnodes", &[])?;
    differences.compare(
        "a body that is no message",
        &[numnodes],
        &said(&mut client, 1)?,
    );
    for (what, pid, name) in [
        (
            "another's name, own pid",
            client.pid().to_string(),
            "present",
        ),
        ("another's pid, own name", "1".to_owned(), "tiny3"),
    ] {
        client.send(&[
            ("t", "hbapi-req"),
            ("reqtype", "numnodes"),
            ("dest", "alpha"),
            ("pid", &pid),
            ("from_id", name),
        ])?;
        differences.compare(what, &[numnodes], &said(&mut client, 1)?);
    }
    let pid = client.pid().to_string();
    client.send_body(&netstring(&[
        ("t", "hbapi-req"),
        ("reqtype", "numnodes"),
        ("dest", "alpha"),
        ("pid", &pid),
        ("from_id", "tiny3"),
    ]))?;
    differences.compare(
        "a request in netstring form",
        &[numnodes],
        &said(&mut client, 1)?,
    );

    if alpha.is_ours() {
        // The legacy's master process does not survive these.
        for body in [
            &b"###\n11:t=hbapi-req,17:reqtype=numnodes,%%%\n\0"[..],
            b"###\n9999999999:(0)t=x,%%%\n\0",
            b"###\n14:(0)t=hbapi-re",
            b"###\n%%%\n",
            b">>>\n<<<\n",
            b"\0",
            b"",
        ] {
            client.send_body(body)?;
            client.request("numnodes", &[])?;
            let what = format!("after {:?}", String::from_utf8_lossy(body));
            differences.compare(&what, &[numnodes], &said(&mut client, 1)?);
        }
        let name = "n".repeat(40);
        let cut = "n".repeat(31);
        let mut long = alpha.api_client(&name)?;
        long.request_signon()?;
        let expected = [join(&cut, "alpha"), welcome()];
        differences.compare("a name of 40 octets", &expected, &said(&mut long, 2)?);
        long.request("numnodes", &[])?;
        differences.compare("a long name's request", &[numnodes], &said(&mut long, 1)?);
    }

    let mut magic = signed_on(alpha, "tiny4")?;
    magic.send_octets(b"\x08\x00\x00\x00\xce\xab\x00\x00garbage\0")?;
    differences.compare("a wrong magic", &[end()], &said(&mut magic, 1)?);
    Ok(())
}

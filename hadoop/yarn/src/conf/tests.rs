use super::*;
use crate::Address;
use crate::rpc::Login;
use crate::{Qop, User};
use proptest::prelude::*;
use std::fs;
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn configuration(properties: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<configuration xmlns:xi=\"http://www.w3.org/2001/XInclude\">{properties}</configuration>"
    )
}

fn property(name: &str, value: &str) -> String {
    format!("<property>\n <name>{name}</name>\n <value> {value}\n</value></property>")
}

fn load(files: &[(&str, &str)]) -> Result<Conf, ConfError> {
    let environment = [("HOST".to_owned(), "from-env".to_owned())];
    Conf::load_with(folder(files).path(), environment)
}

/// A configuration of one file with these properties.
fn conf(properties: &[(&str, &str)]) -> Conf {
    let text: String = properties.iter().map(|(name, value)| property(name, value)).collect();
    load(&[("yarn-site.xml", &configuration(&text))]).unwrap()
}

#[test]
fn later_files_count_unless_an_earlier_value_is_final() {
    let core = configuration(
        "<property><name>a</name><value>1</value></property>
         <property><name>b</name><value>1</value><final>true</final></property>
         <property name='c' value='1' final='true'/>",
    );
    let yarn = configuration(&["a", "b", "c", "d"].map(|key| property(key, "2")).concat());
    let conf = load(&[("core-site.xml", &core), ("yarn-site.xml", &yarn)]).unwrap();
    let values = ["a", "b", "c", "d"].map(|key| conf.get(key).unwrap().unwrap());
    assert_eq!(values, ["2", "1", "1", "2"]);
    assert_eq!(conf.get("e").unwrap(), None);
}

#[test]
fn values_are_trimmed_expanded_and_unescaped() {
    let text = configuration(
        "<property><name> a </name><value>&lt;x&gt; &amp; <!-- not this --><![CDATA[<y>]]>&#33;</value></property>
         <property><name>b</name><value>${a} ${env.HOST} ${env.NONE:-none}</value></property>
         <property><name>empty</name><value/></property>
         <property><name>none</name></property>",
    );
    let conf = load(&[("core-site.xml", &text)]).unwrap();
    assert_eq!(conf.require("a").unwrap(), "<x> & <y>!");
    assert_eq!(conf.require("b").unwrap(), "<x> & <y>! from-env none");
    assert_eq!((conf.get("empty").unwrap(), conf.get("none").unwrap()), (None, None));
    let own = |key: &str| !key.contains('.');
    let values: Vec<_> = conf.values().filter(|(key, _)| own(key)).collect();
    assert_eq!(values, [("a", "<x> & <y>!".to_owned()), ("b", "<x> & <y>! from-env none".to_owned())]);
}

#[test]
fn files_include_files() {
    let include =
        |inner: &str| configuration(&format!("<xi:include href=\"other.xml\">{inner}</xi:include>"));
    let other = configuration(&property("a", "included"));
    let fallback = format!("<xi:fallback>{}</xi:fallback>", property("a", "fallback"));
    let with = load(&[("yarn-site.xml", &include(&fallback)), ("other.xml", &other)]).unwrap();
    assert_eq!(with.require("a").unwrap(), "included");
    let without = load(&[("yarn-site.xml", &include(&fallback))]).unwrap();
    assert_eq!(without.require("a").unwrap(), "fallback");
    // In a fallback that is not needed nothing is read, not even a file that is not there.
    let nested = format!(
        "<xi:fallback><xi:include href=\"none.xml\"/><xi:include href=\"none.xml\">{}</xi:include>{}</xi:fallback>",
        "<xi:fallback/>",
        property("a", "fallback")
    );
    let site = configuration(&format!(
        "<xi:include href=\"other.xml\">{nested}</xi:include>{}",
        property("b", "after")
    ));
    let with = load(&[("yarn-site.xml", &site), ("other.xml", &other)]).unwrap();
    assert_eq!((with.require("a").unwrap(), with.require("b").unwrap()), ("included".into(), "after".into()));
    let error = load(&[("yarn-site.xml", &include(""))]).unwrap_err().to_string();
    assert!(error.contains("not there"), "{error}");
    let circle = include("");
    let error = load(&[("yarn-site.xml", &circle), ("other.xml", &circle)]).unwrap_err().to_string();
    assert!(error.contains("in circles"), "{error}");
}

#[test]
fn what_is_no_configuration_is_refused_by_the_name_of_the_file() {
    fn check(text: &str, says: &str) {
        let error = load(&[("yarn-site.xml", text)]).unwrap_err().to_string();
        assert!(error.contains("yarn-site.xml") && error.contains(says), "{error}");
    }
    check("<configuration><property>", "ends in the middle");
    check("<configuration></property>", "no XML at byte");
    check("<!DOCTYPE x [<!ENTITY a 'b'>]><configuration/>", "DOCTYPE");
    check(&configuration(&property("a", "&mine;")), "&mine;");
    check(&configuration("<xi:include href='http://x/y'/>"), "only files");
    check(&configuration("<xi:include href='/etc/passwd'/>"), "only files");
}

#[test]
fn a_folder_without_files_is_no_configuration() {
    let error = load(&[("hive-site.xml", "")]).unwrap_err().to_string();
    assert!(error.contains("yarn-site.xml") && error.contains("HADOOP_CONF_DIR"), "{error}");
}

#[test]
fn addresses_follow_from_the_host() {
    let conf =
        conf(&[("yarn.resourcemanager.hostname", "rm1"), ("yarn.resourcemanager.scheduler.address", "rm2")]);
    assert_eq!(conf.resource_managers().unwrap(), [Address::new("rm1", 8032)]);
    assert_eq!(conf.schedulers().unwrap(), [Address::new("rm2", 8030)]);
    assert_eq!(conf.web_pages().unwrap(), ["http://rm1:8088"]);
    assert!(!conf.has_secure_pages().unwrap());
}

#[test]
fn pages_may_be_there_by_https_only() {
    let conf = conf(&[("yarn.resourcemanager.hostname", "rm1"), ("yarn.http.policy", "HTTPS_ONLY")]);
    assert_eq!(conf.web_pages().unwrap(), ["https://rm1:8090"]);
    assert!(conf.has_secure_pages().unwrap());
}

#[test]
fn several_resource_managers_have_several_addresses() {
    let conf = conf(&[
        ("yarn.resourcemanager.ha.enabled", "true"),
        ("yarn.resourcemanager.ha.rm-ids", "a, b"),
        ("yarn.resourcemanager.hostname.a", "rm1"),
        ("yarn.resourcemanager.address.b", "rm2:1"),
        ("yarn.resourcemanager.hostname.b", "rm2"),
    ]);
    assert_eq!(conf.resource_managers().unwrap(), [Address::new("rm1", 8032), Address::new("rm2", 1)]);
    assert_eq!(conf.schedulers().unwrap(), [Address::new("rm1", 8030), Address::new("rm2", 8030)]);
}

#[test]
fn what_is_missing_is_named_with_its_cure() {
    fn check<T: std::fmt::Debug>(result: Result<T, ConfError>, says: &[&str]) {
        let error = result.unwrap_err().to_string();
        assert!(says.iter().all(|says| error.contains(says)), "{error}");
    }
    check(conf(&[]).resource_managers(), &["built in", "0.0.0.0:8032", "yarn.resourcemanager.hostname"]);
    let ha = [("yarn.resourcemanager.ha.enabled", "true"), ("yarn.resourcemanager.ha.rm-ids", "a")];
    check(conf(&ha[..1]).resource_managers(), &["yarn.resourcemanager.ha.rm-ids"]);
    check(conf(&ha).resource_managers(), &["yarn.resourcemanager.hostname.a"]);
    let wrong = conf(&[("yarn.resourcemanager.address", "rm:port")]);
    check(wrong.resource_managers(), &["yarn-site.xml", "yarn.resourcemanager.address", "rm:port"]);
    check(conf(&[("ipc.ping.interval", "1 week")]).rpc(), &["yarn-site.xml", "ipc.ping.interval", "1 week"]);
    check(conf(&[("hadoop.rpc.protection", "secrecy")]).rpc(), &["hadoop.rpc.protection", "privacy"]);
    check(conf(&[("a", "${b}"), ("b", "${a}")]).get("a"), &["yarn-site.xml", "circles"]);
}

#[test]
fn options_are_read() {
    let options = conf(&[
        ("ipc.client.rpc-timeout.ms", "30s"),
        ("ipc.client.connect.timeout", "0"),
        ("hadoop.rpc.protection", "privacy,Integrity"),
        ("ipc.maximum.response.length", "1000"),
    ]);
    let options = options.rpc().unwrap();
    assert_eq!(options.call_timeout, Duration::from_secs(30));
    assert_eq!(options.connect_timeout, Duration::from_secs(20));
    assert_eq!(options.protection, [Qop::Privacy, Qop::Integrity]);
    assert_eq!(options.max_response, 1000);
    for none in ["0", "-1"] {
        let keys = [("ipc.maximum.response.length", none), ("ipc.maximum.data.length", none)];
        let options = conf(&keys).rpc().unwrap();
        assert_eq!((options.max_response, options.max_request), (128 << 20, 128 << 20), "{none}");
    }
    assert!(conf(&[("ipc.maximum.response.length", "much")]).rpc().is_err());
}

#[test]
fn a_user_is_believed_where_security_is_off() {
    let Login::Simple { user } = conf(&[]).login(User::named("anna")).unwrap() else { panic!("not simple") };
    assert_eq!(user, "anna");
    let secure = conf(&[("hadoop.security.authentication", "kerberos")]);
    assert!(secure.is_secure().unwrap());
    assert!(secure.login(User::named("anna")).is_err(), "no feature, or no principal");
}

proptest! {
    #[test]
    fn values_come_back(value in "[ -~]{0,60}") {
        prop_assume!(!value.contains("${"));
        let escaped = quick_xml::escape::escape(&value);
        let conf = conf(&[("key", &escaped)]);
        prop_assert_eq!(conf.get("key").unwrap().unwrap_or_default(), value.trim());
    }

    #[test]
    fn whatever_is_written_is_read_or_refused(text in "[<>/a-z \"'=&;!\\[\\]?-]{0,80}") {
        let _ = load(&[("yarn-site.xml", &text)]);
        let _ = load(&[("yarn-site.xml", &configuration(&text))]);
    }
}

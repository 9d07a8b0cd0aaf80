//! An application without a container for its master: this process is the master, and runs `sleep` in one container.
//!
//! ```sh
//! HADOOP_CONF_DIR=/etc/hadoop/conf cargo run --example sleep
//! ```

use std::error::Error;
use std::time::Duration;
use warcdl_yarn::{
    AppMaster, Ask, Beat, Conf, FinalStatus, Heartbeat, Launch, Master, NodeManager, Resource, Start,
    Submission, User, YarnClient,
};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let conf = Conf::from_env()?;
    let user = User::from_env().ok_or("set HADOOP_USER_NAME")?;
    let client = YarnClient::connect(&conf, user).await?;
    println!("{:?}", client.cluster_metrics().await?);
    println!("{:?}", client.queue("default").await?);

    let new = client.new_application().await?;
    let report = client.submit(&Submission::new(new.id, "sleep", Master::Unmanaged)).await?;
    println!("{} is {}; a container has {} at most", new.id, report.state, new.maximum);

    let token = client.master_token(new.id, PATIENCE).await?;
    let mut master = AppMaster::connect(conf.schedulers()?, token, conf.rpc()?)?;
    let registration = master.register("", -1, "").await?;
    println!("registered in the queue {}", registration.queue);

    let ask = Ask::anywhere(1, Resource { memory_mb: 128, vcores: 1 }, 1);
    let mut heartbeat = Heartbeat { asks: vec![ask], ..Heartbeat::default() };
    let mut running = None;
    loop {
        let beat = master.heartbeat(&heartbeat).await?;
        // An ask holds until another replaces it.
        heartbeat.asks.clear();
        let Beat::Allocation(allocation) = beat else { return Err(format!("{beat:?}").into()) };
        if let (Some(container), Some(node)) = (allocation.containers.first(), allocation.node_tokens.last())
        {
            println!("{} of {} on {}", container.id, container.resource, container.node);
            let node = NodeManager::connect(node, conf.rpc()?)?;
            let command = "sleep 2; echo done 1><LOG_DIR>/stdout".to_owned();
            let start = Start::new(container, Launch { command, ..Launch::default() });
            for (id, outcome) in node.start(&[start]).await? {
                outcome.map_err(|refusal| format!("{id}: {refusal}"))?;
            }
            println!("{:?}", node.statuses(&[container.id]).await?);
            running = Some(container.id);
        }
        if let Some(status) = allocation.completed.iter().find(|status| Some(status.id) == running) {
            println!("{}: {} {}", status.id, status.exit, status.diagnostics.trim());
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }

    master.finish(FinalStatus::Succeeded, "slept", "", PATIENCE).await?;
    let report = client.wait(new.id, PATIENCE, |_| false).await?;
    println!("{} is {} ({:?})", new.id, report.state, report.final_status);
    Ok(())
}

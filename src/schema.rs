//! The tables, the same on both databases. The migrations make them; a test holds the two together.

diesel::table! {
    organisation (id) {
        id -> Text,
        parent_id -> Nullable<Text>,
        name -> Text,
        path -> Text,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    user_account (id) {
        id -> Text,
        user_name -> Text,
        display_name -> Text,
        email -> Nullable<Text>,
        organisation_id -> Text,
        manager_id -> Nullable<Text>,
        vip -> Bool,
        service_account -> Bool,
        active -> Bool,
        password_hash -> Nullable<Text>,
        must_change_password -> Bool,
        tokens_valid_from -> Timestamp,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        language -> Nullable<Text>,
        zone -> Nullable<Text>,
    }
}

diesel::table! {
    team (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        organisation_id -> Text,
        email -> Nullable<Text>,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    team_member (team_id, user_id) {
        team_id -> Text,
        user_id -> Text,
    }
}

diesel::table! {
    role (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        sees -> Text,
        permissions -> Text,
        shipped -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    user_role (user_id, role_id) {
        user_id -> Text,
        role_id -> Text,
    }
}

diesel::table! {
    refresh_token (id) {
        id -> Text,
        family_id -> Text,
        user_id -> Text,
        token_hash -> Text,
        created_at -> Timestamp,
        expires_at -> Timestamp,
        used_at -> Nullable<Timestamp>,
        revoked_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    personal_token (id) {
        id -> Text,
        user_id -> Text,
        name -> Text,
        token_hash -> Text,
        scopes -> Text,
        created_at -> Timestamp,
        expires_at -> Nullable<Timestamp>,
        last_used_at -> Nullable<Timestamp>,
        revoked_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    signing_key (id) {
        id -> Text,
        algorithm -> Text,
        private_key -> Text,
        public_key -> Text,
        created_at -> Timestamp,
        retired_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    login_failure (subject) {
        subject -> Text,
        failures -> Integer,
        last_at -> Timestamp,
    }
}

diesel::table! {
    number_sequence (kind) {
        kind -> Text,
        next_number -> BigInt,
    }
}

diesel::table! {
    record (id) {
        id -> Text,
        kind -> Text,
        number -> Text,
        state -> Text,
        phase -> Text,
        title -> Text,
        description -> Text,
        organisation_id -> Text,
        requester_id -> Nullable<Text>,
        opened_by_id -> Text,
        assignee_id -> Nullable<Text>,
        team_id -> Nullable<Text>,
        priority -> Integer,
        impact -> Integer,
        urgency -> Integer,
        service_id -> Nullable<Text>,
        configuration_item_id -> Nullable<Text>,
        planned_start -> Nullable<Timestamp>,
        planned_end -> Nullable<Timestamp>,
        custom -> Text,
        tags -> Text,
        version -> Integer,
        opened_at -> Timestamp,
        updated_at -> Timestamp,
        resolved_at -> Nullable<Timestamp>,
        closed_at -> Nullable<Timestamp>,
        escalation_level -> Integer,
        escalated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    participant (user_id, record_id, role) {
        record_id -> Text,
        user_id -> Text,
        role -> Text,
    }
}

diesel::table! {
    record_tag (tag, record_id) {
        record_id -> Text,
        tag -> Text,
    }
}

diesel::table! {
    link (id) {
        id -> Text,
        from_id -> Text,
        relation -> Text,
        to_id -> Text,
        created_by_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    journal (id) {
        id -> Text,
        record_id -> Text,
        at -> Timestamp,
        author_id -> Text,
        kind -> Text,
        body -> Text,
        minutes -> Nullable<Integer>,
        via -> Text,
    }
}

diesel::table! {
    attachment (id) {
        id -> Text,
        record_id -> Text,
        name -> Text,
        media_type -> Text,
        size -> BigInt,
        sha256 -> Text,
        storage -> Text,
        created_by_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    attachment_chunk (attachment_id, position) {
        attachment_id -> Text,
        position -> Integer,
        content -> Binary,
    }
}

diesel::table! {
    custom_field (id) {
        id -> Text,
        kind -> Text,
        name -> Text,
        label -> Text,
        help -> Text,
        field_type -> Text,
        choices -> Text,
        required -> Bool,
        pattern -> Nullable<Text>,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        target_class -> Nullable<Text>,
    }
}

diesel::table! {
    custom_value (record_id, name) {
        record_id -> Text,
        name -> Text,
        text_value -> Nullable<Text>,
        number_value -> Nullable<Double>,
    }
}

diesel::table! {
    record_text (record_id) {
        record_id -> Text,
        number -> Text,
        title -> Text,
        description -> Text,
        comments -> Text,
    }
}

diesel::table! {
    timer (id) {
        id -> Text,
        record_id -> Text,
        name -> Text,
        due_at -> Timestamp,
        generation -> Integer,
        fired_at -> Nullable<Timestamp>,
        error -> Nullable<Text>,
        held -> Bool,
    }
}

diesel::table! {
    external_reference (source, external_key) {
        source -> Text,
        external_key -> Text,
        record_id -> Text,
        position -> BigInt,
    }
}

diesel::table! {
    audit_chain (id) {
        id -> Integer,
        last_seq -> BigInt,
        last_hash -> Text,
    }
}

diesel::table! {
    audit (chain, seq) {
        chain -> Integer,
        seq -> BigInt,
        at -> Timestamp,
        actor_id -> Nullable<Text>,
        action -> Text,
        subject_kind -> Text,
        subject_id -> Text,
        subject_version -> Integer,
        via -> Text,
        request_id -> Text,
        reason -> Text,
        changes -> Text,
        previous_hash -> Text,
        hash -> Text,
    }
}

diesel::table! {
    outbox (id) {
        id -> Text,
        at -> Timestamp,
        event -> Text,
        record_id -> Text,
        payload -> Text,
        xid -> BigInt,
        seq -> BigInt,
    }
}

diesel::table! {
    idempotency (caller_id, route, key) {
        caller_id -> Text,
        route -> Text,
        key -> Text,
        request_hash -> Text,
        created_at -> Timestamp,
        status -> Integer,
        headers -> Text,
        body -> Binary,
    }
}

diesel::table! {
    setting (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    policy (id) {
        id -> Text,
        name -> Text,
        decision -> Text,
        kind -> Text,
        description -> Text,
        position -> Integer,
        enabled -> Bool,
        active_version -> Nullable<Integer>,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        least_line_coverage -> Nullable<Integer>,
        least_branch_coverage -> Nullable<Integer>,
    }
}

diesel::table! {
    policy_version (id) {
        id -> Text,
        policy_id -> Text,
        number -> Integer,
        source -> Text,
        sha256 -> Text,
        message -> Text,
        author_id -> Nullable<Text>,
        state -> Text,
        created_at -> Timestamp,
        published_at -> Nullable<Timestamp>,
        publish_at -> Nullable<Timestamp>,
        publish_by -> Nullable<Text>,
        uses -> Text,
        shadowed_from -> Nullable<Text>,
    }
}

diesel::table! {
    policy_module (name, version) {
        name -> Text,
        version -> Integer,
        source -> Text,
        sha256 -> Text,
        message -> Text,
        author_id -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    policy_review (id) {
        id -> Text,
        policy_id -> Text,
        number -> Integer,
        reviewer_id -> Text,
        approves -> Bool,
        comment -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    policy_pin (id) {
        id -> Text,
        policy_id -> Text,
        decision_id -> Text,
        record_id -> Text,
        name -> Text,
        comment -> Text,
        input -> Text,
        host_calls -> Text,
        outcome -> Text,
        created_by -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    lookup_table (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        content -> Text,
        sha256 -> Text,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    lookup_table_version (table_id, version) {
        table_id -> Text,
        version -> Integer,
        content -> Text,
        sha256 -> Text,
        author_id -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    decision (id) {
        id -> Text,
        at -> Timestamp,
        record_id -> Text,
        record_version -> Integer,
        kind -> Text,
        cause -> Text,
        policy_id -> Nullable<Text>,
        policy_version -> Nullable<Integer>,
        policy_sha256 -> Text,
        mode -> Text,
        input -> Text,
        input_sha256 -> Text,
        host_calls -> Text,
        result -> Text,
        applied -> Text,
        discarded -> Text,
        rules -> Text,
        outcome -> Text,
        error -> Nullable<Text>,
        operations -> BigInt,
        microseconds -> BigInt,
        place -> Integer,
        differs -> Nullable<Text>,
    }
}

diesel::table! {
    calendar (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        zone -> Text,
        content -> Text,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    job (id) {
        id -> Text,
        kind -> Text,
        subject -> Text,
        state -> Text,
        asked -> Text,
        done -> BigInt,
        total -> BigInt,
        progress -> Text,
        error -> Nullable<Text>,
        stop_asked -> Bool,
        node -> Nullable<Text>,
        beat_at -> Nullable<Timestamp>,
        created_by -> Text,
        created_at -> Timestamp,
        started_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    back_test_difference (job_id, seq) {
        job_id -> Text,
        seq -> BigInt,
        decision_id -> Text,
        at -> Timestamp,
        record_id -> Text,
        fields -> Text,
        why_before -> Text,
        why_after -> Text,
    }
}

diesel::table! {
    escalation (id) {
        id -> Text,
        record_id -> Text,
        record_version -> Integer,
        at -> Timestamp,
        cause -> Text,
        clock_id -> Nullable<Text>,
        percent -> Nullable<Integer>,
        repeats -> Integer,
        level -> Integer,
        said -> Text,
        failed -> Text,
        reason -> Text,
        author_id -> Nullable<Text>,
        again_at -> Nullable<Timestamp>,
        answered_at -> Nullable<Timestamp>,
        answered_by_id -> Nullable<Text>,
        answer -> Nullable<Text>,
    }
}

diesel::table! {
    incident (record_id) {
        record_id -> Text,
        incident_type -> Text,
        channel -> Text,
        category -> Nullable<Text>,
        subcategory -> Nullable<Text>,
        symptom -> Nullable<Text>,
        location -> Nullable<Text>,
        hold_reason -> Nullable<Text>,
        held_at -> Nullable<Timestamp>,
        resolution_code -> Nullable<Text>,
        resolution_notes -> Nullable<Text>,
        resolution_kind -> Nullable<Text>,
        reassignment_count -> Integer,
        reopen_count -> Integer,
        parent_id -> Nullable<Text>,
        duplicate_of_id -> Nullable<Text>,
        major -> Nullable<Text>,
    }
}

diesel::table! {
    interaction (record_id) {
        record_id -> Text,
        channel -> Text,
        contact -> Nullable<Text>,
        resolution_notes -> Nullable<Text>,
        target_id -> Nullable<Text>,
    }
}

diesel::table! {
    service (record_id) {
        record_id -> Text,
        owner_id -> Nullable<Text>,
        support_team_id -> Nullable<Text>,
        criticality -> Text,
    }
}

diesel::table! {
    configuration_item (record_id) {
        record_id -> Text,
        class -> Text,
        environment -> Text,
        criticality -> Text,
        owner_id -> Nullable<Text>,
        support_team_id -> Nullable<Text>,
        attributes -> Text,
        certified_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    record_class (id) {
        id -> Text,
        kind -> Text,
        name -> Text,
        label -> Text,
        description -> Text,
        parent -> Nullable<Text>,
        is_abstract -> Bool,
        attributes -> Text,
        identification -> Text,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    record_class_line (kind, above, class) {
        kind -> Text,
        class -> Text,
        above -> Text,
    }
}

diesel::table! {
    relation_type (id) {
        id -> Text,
        name -> Text,
        label -> Text,
        inverse -> Text,
        inverse_label -> Text,
        description -> Text,
        impact -> Text,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    redundancy_group (id) {
        id -> Text,
        record_id -> Text,
        name -> Text,
        min_up -> Integer,
    }
}

diesel::table! {
    relation (id) {
        id -> Text,
        relation_type -> Text,
        from_kind -> Text,
        from_id -> Text,
        to_kind -> Text,
        to_id -> Text,
        group_id -> Nullable<Text>,
        source -> Text,
        created_by_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    graph_change (seq) {
        seq -> BigInt,
        epoch -> Text,
        from_id -> Nullable<Text>,
        to_id -> Nullable<Text>,
    }
}

diesel::table! {
    data_source (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        priority -> Integer,
        priorities -> Text,
        stale_days -> Nullable<Integer>,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        reports_drift -> Bool,
        missing -> Text,
        empty -> Text,
    }
}

diesel::table! {
    configuration_seen (record_id, source) {
        record_id -> Text,
        source -> Text,
        external_key -> Nullable<Text>,
        seen_at -> Timestamp,
        seen_before -> Nullable<Timestamp>,
    }
}

diesel::table! {
    configuration_origin (record_id, field) {
        record_id -> Text,
        field -> Text,
        source -> Text,
        value -> Text,
        seen_at -> Timestamp,
    }
}

diesel::table! {
    configuration_import_row (job_id, seq) {
        job_id -> Text,
        seq -> BigInt,
        outcome -> Text,
        pointer -> Text,
        record_id -> Nullable<Text>,
        title -> Text,
        detail -> Text,
    }
}

diesel::table! {
    configuration_import_content (job_id) {
        job_id -> Text,
        content -> Text,
    }
}

diesel::table! {
    configuration_baseline (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        filter -> Text,
        items -> Integer,
        created_by_id -> Text,
        created_at -> Timestamp,
        taken_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    configuration_baseline_item (baseline_id, record_id) {
        baseline_id -> Text,
        record_id -> Text,
        content -> Text,
    }
}

diesel::table! {
    compliance_rule (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        scope -> Text,
        condition -> Text,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    certification_campaign (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        filter -> Text,
        due_at -> Timestamp,
        remind_at -> Nullable<Timestamp>,
        items -> Integer,
        created_by_id -> Text,
        created_at -> Timestamp,
        ended_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    certification (campaign_id, record_id) {
        campaign_id -> Text,
        record_id -> Text,
        owner_id -> Nullable<Text>,
        team_id -> Nullable<Text>,
        outcome -> Nullable<Text>,
        comment -> Text,
        decided_by_id -> Nullable<Text>,
        decided_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    service_level (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        kind -> Text,
        agreement -> Text,
        metric -> Text,
        content -> Text,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    service_clock (id) {
        id -> Text,
        record_id -> Text,
        service_level_id -> Text,
        level_version -> Integer,
        agreement -> Text,
        metric -> Text,
        state -> Text,
        target -> BigInt,
        calendar -> Text,
        started_at -> Timestamp,
        since -> Timestamp,
        elapsed -> BigInt,
        deadline -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
        told -> Integer,
        breached_at -> Nullable<Timestamp>,
        rounds -> Integer,
        breached_rounds -> Integer,
        round_entry -> Integer,
        breach_code -> Nullable<Text>,
        breach_note -> Nullable<Text>,
        entries -> Integer,
        organisation_id -> Text,
        team_id -> Nullable<Text>,
        service_id -> Nullable<Text>,
        priority -> Integer,
    }
}

diesel::table! {
    service_clock_entry (clock_id, seq) {
        clock_id -> Text,
        seq -> Integer,
        at -> Timestamp,
        told_at -> Timestamp,
        event -> Text,
        percent -> Nullable<Integer>,
        target -> BigInt,
        calendar -> Text,
        via -> Text,
        record_version -> Integer,
    }
}

diesel::table! {
    service_clock_recheck (subject) {
        subject -> Text,
        due_at -> Timestamp,
    }
}

diesel::table! {
    on_call_schedule (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        team_id -> Text,
        zone -> Text,
        layers -> Text,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    major_incident (record_id) {
        record_id -> Text,
        accepted_at -> Timestamp,
        accepted_by_id -> Text,
        roles -> Text,
        update_every -> Nullable<BigInt>,
        next_update_at -> Nullable<Timestamp>,
        review -> Text,
    }
}

diesel::table! {
    major_incident_action (id) {
        id -> Text,
        record_id -> Text,
        title -> Text,
        owner_id -> Nullable<Text>,
        due_at -> Nullable<Timestamp>,
        done_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    major_incident_entry (id) {
        id -> Text,
        record_id -> Text,
        at -> Timestamp,
        told_at -> Timestamp,
        author_id -> Text,
        kind -> Text,
        audience -> Text,
        body -> Text,
    }
}

diesel::table! {
    on_call_override (id) {
        id -> Text,
        schedule_id -> Text,
        user_id -> Text,
        from_at -> Timestamp,
        until_at -> Timestamp,
        reason -> Text,
        created_by -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    approval (id) {
        id -> Text,
        record_id -> Text,
        title -> Text,
        description -> Text,
        state -> Text,
        reason -> Text,
        covers -> Text,
        asked_by_id -> Text,
        replaces_id -> Nullable<Text>,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        ended_at -> Nullable<Timestamp>,
        by_policy -> Bool,
    }
}

diesel::table! {
    approval_stage (id) {
        id -> Text,
        approval_id -> Text,
        position -> Integer,
        name -> Text,
        approvers -> Text,
        quorum -> Text,
        quorum_number -> Nullable<Integer>,
        due_after -> Nullable<Text>,
        on_due -> Text,
        state -> Text,
        reason -> Text,
        opened_at -> Nullable<Timestamp>,
        due_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
        calendar -> Nullable<Text>,
    }
}

diesel::table! {
    approval_voter (id) {
        id -> Text,
        stage_id -> Text,
        approval_id -> Text,
        user_id -> Text,
        because -> Text,
        excluded -> Nullable<Text>,
        vote -> Nullable<Text>,
        comment -> Text,
        voted_at -> Nullable<Timestamp>,
        voted_by_id -> Nullable<Text>,
        via -> Nullable<Text>,
    }
}

diesel::table! {
    approval_link (digest) {
        digest -> Text,
        voter_id -> Text,
        created_by_id -> Text,
        created_at -> Timestamp,
        expires_at -> Timestamp,
        used_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    delegation (id) {
        id -> Text,
        from_user_id -> Text,
        to_user_id -> Text,
        begins_at -> Timestamp,
        ends_at -> Timestamp,
        reason -> Text,
        active -> Bool,
        created_by_id -> Text,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    webhook (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        url -> Text,
        events -> Text,
        filter -> Nullable<Text>,
        owner_id -> Text,
        own_changes -> Bool,
        secret -> Text,
        previous_secret -> Nullable<Text>,
        previous_until -> Nullable<Timestamp>,
        active -> Bool,
        disabled_at -> Nullable<Timestamp>,
        disabled_why -> Nullable<Text>,
        dead_in_a_row -> Integer,
        failing_since -> Nullable<Timestamp>,
        cursor_xid -> BigInt,
        cursor_seq -> BigInt,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    webhook_delivery (id) {
        id -> Text,
        webhook_id -> Text,
        event_id -> Nullable<Text>,
        event -> Text,
        record_id -> Nullable<Text>,
        happened_at -> Timestamp,
        payload -> Text,
        body -> Nullable<Text>,
        state -> Text,
        why -> Nullable<Text>,
        attempts -> Integer,
        next_at -> Nullable<Timestamp>,
        claimed_by -> Nullable<Text>,
        claimed_until -> Nullable<Timestamp>,
        created_at -> Timestamp,
        ended_at -> Nullable<Timestamp>,
        replay_of -> Nullable<Text>,
        replayed_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    webhook_attempt (delivery_id, number) {
        delivery_id -> Text,
        number -> Integer,
        webhook_id -> Text,
        at -> Timestamp,
        status -> Nullable<Integer>,
        milliseconds -> BigInt,
        error -> Nullable<Text>,
        answer -> Nullable<Text>,
    }
}

diesel::table! {
    mail_template (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        event -> Text,
        language -> Text,
        audience -> Text,
        subject -> Text,
        text_body -> Text,
        html_body -> Nullable<Text>,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    notification_preference (user_id) {
        user_id -> Text,
        content -> Text,
        version -> Integer,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    mail_message (id) {
        id -> Text,
        kind -> Text,
        user_id -> Text,
        record_id -> Nullable<Text>,
        event_id -> Nullable<Text>,
        event -> Text,
        happened_at -> Timestamp,
        payload -> Text,
        parts -> Text,
        address -> Nullable<Text>,
        subject -> Nullable<Text>,
        text_body -> Nullable<Text>,
        html_body -> Nullable<Text>,
        template -> Nullable<Text>,
        state -> Text,
        why -> Nullable<Text>,
        attempts -> Integer,
        digest_at -> Nullable<Timestamp>,
        digest_id -> Nullable<Text>,
        next_at -> Nullable<Timestamp>,
        claimed_by -> Nullable<Text>,
        claimed_until -> Nullable<Timestamp>,
        created_at -> Timestamp,
        ended_at -> Nullable<Timestamp>,
        replay_of -> Nullable<Text>,
        replayed_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    mail_attempt (message_id, number) {
        message_id -> Text,
        number -> Integer,
        at -> Timestamp,
        status -> Nullable<Integer>,
        milliseconds -> BigInt,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    mail_received (user_id, message_id) {
        user_id -> Text,
        message_id -> Text,
        record_id -> Nullable<Text>,
        outcome -> Text,
        taken_by_id -> Text,
        received_at -> Timestamp,
    }
}

diesel::table! {
    problem (record_id) {
        record_id -> Text,
        origin -> Text,
        category -> Nullable<Text>,
        subcategory -> Nullable<Text>,
        symptom -> Nullable<Text>,
        error_code -> Nullable<Text>,
        cause -> Nullable<Text>,
        workaround -> Nullable<Text>,
        known_error_at -> Nullable<Timestamp>,
        workaround_published_at -> Nullable<Timestamp>,
        resolution_notes -> Nullable<Text>,
        closure -> Nullable<Text>,
        workaround_audience -> Nullable<Text>,
    }
}

diesel::table! {
    workaround_told (problem_id, incident_id) {
        problem_id -> Text,
        incident_id -> Text,
        workaround_sha256 -> Text,
        audience -> Text,
        told_at -> Timestamp,
    }
}

diesel::table! {
    known_error_word (word, is_code, record_id) {
        word -> Text,
        is_code -> Bool,
        record_id -> Text,
    }
}

diesel::table! {
    problem_analysis (id) {
        id -> Text,
        record_id -> Text,
        technique -> Text,
        title -> Text,
        content -> Text,
        author_id -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    change (record_id) {
        record_id -> Text,
        change_type -> Text,
        model -> Nullable<Text>,
        justification -> Nullable<Text>,
        risk -> Text,
        rule_risk -> Nullable<Text>,
        questionnaire_risk -> Nullable<Text>,
        team_failures -> Integer,
        implementation_plan -> Nullable<Text>,
        backout_plan -> Nullable<Text>,
        test_plan -> Nullable<Text>,
        communication_plan -> Nullable<Text>,
        outage_start -> Nullable<Timestamp>,
        outage_end -> Nullable<Timestamp>,
        conflict_count -> Integer,
        blackout -> Nullable<Text>,
        actual_start -> Nullable<Timestamp>,
        actual_end -> Nullable<Timestamp>,
        result -> Nullable<Text>,
        result_notes -> Nullable<Text>,
        cab_review -> Nullable<Text>,
        review_notes -> Nullable<Text>,
        reviewed_at -> Nullable<Timestamp>,
        criticality -> Nullable<Text>,
    }
}

diesel::table! {
    change_conflict (change_id, mark) {
        change_id -> Text,
        mark -> Text,
    }
}

diesel::table! {
    change_model (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        change_type -> Text,
        fields -> Text,
        tasks -> Text,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    risk_question (id) {
        id -> Text,
        name -> Text,
        text -> Text,
        position -> Integer,
        weight -> Integer,
        answers -> Text,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    change_answer (change_id, question) {
        change_id -> Text,
        question -> Text,
        answer -> Text,
    }
}

diesel::table! {
    task (id) {
        id -> Text,
        record_id -> Text,
        position -> Integer,
        title -> Text,
        description -> Text,
        team_id -> Nullable<Text>,
        assignee_id -> Nullable<Text>,
        depends_on -> Text,
        state -> Text,
        created_at -> Timestamp,
        done_at -> Nullable<Timestamp>,
        done_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    change_window (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        kind -> Text,
        configuration_item_id -> Nullable<Text>,
        service_id -> Nullable<Text>,
        calendar_id -> Nullable<Text>,
        starts_at -> Nullable<Timestamp>,
        ends_at -> Nullable<Timestamp>,
        active -> Bool,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    unauthorised_change (id) {
        id -> Text,
        configuration_item_id -> Text,
        found_at -> Timestamp,
        drifted_at -> Timestamp,
        summary -> Text,
        source -> Text,
        state -> Text,
        change_id -> Nullable<Text>,
        comment -> Text,
        reported_by_id -> Text,
        settled_by_id -> Nullable<Text>,
        settled_at -> Nullable<Timestamp>,
        last_seen_at -> Nullable<Timestamp>,
        field -> Nullable<Text>,
        last_found_at -> Timestamp,
        finding -> Text,
        related_id -> Nullable<Text>,
    }
}

diesel::table! {
    cab_meeting (id) {
        id -> Text,
        name -> Text,
        starts_at -> Timestamp,
        ends_at -> Timestamp,
        place -> Text,
        chair_id -> Text,
        team_id -> Nullable<Text>,
        state -> Text,
        attendees -> Text,
        minutes -> Text,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    cab_agenda_item (id) {
        id -> Text,
        meeting_id -> Text,
        change_id -> Text,
        position -> Integer,
        reason -> Text,
        decision -> Nullable<Text>,
        minutes -> Text,
        decided_at -> Nullable<Timestamp>,
    }
}

diesel::joinable!(service_clock -> record (record_id));
diesel::joinable!(service_clock_entry -> service_clock (clock_id));

diesel::allow_tables_to_appear_in_same_query!(
    organisation,
    user_account,
    team,
    team_member,
    role,
    user_role,
    refresh_token,
    personal_token,
    signing_key,
    login_failure,
    number_sequence,
    record,
    participant,
    record_tag,
    link,
    journal,
    attachment,
    attachment_chunk,
    custom_field,
    custom_value,
    record_text,
    timer,
    external_reference,
    audit_chain,
    audit,
    outbox,
    idempotency,
    setting,
    policy,
    policy_version,
    policy_module,
    policy_review,
    policy_pin,
    lookup_table,
    lookup_table_version,
    decision,
    calendar,
    service_level,
    service_clock,
    service_clock_entry,
    service_clock_recheck,
    on_call_schedule,
    on_call_override,
    job,
    back_test_difference,
    incident,
    interaction,
    service,
    configuration_item,
    problem,
    problem_analysis,
    known_error_word,
    workaround_told,
    change,
    change_conflict,
    change_model,
    change_answer,
    risk_question,
    task,
    change_window,
    unauthorised_change,
    cab_meeting,
    cab_agenda_item,
    record_class,
    record_class_line,
    relation_type,
    redundancy_group,
    relation,
    graph_change,
    data_source,
    configuration_seen,
    configuration_origin,
    configuration_import_row,
    configuration_import_content,
    configuration_baseline,
    configuration_baseline_item,
    compliance_rule,
    certification_campaign,
    certification,
    approval,
    approval_stage,
    approval_voter,
    approval_link,
    delegation,
    webhook,
    webhook_delivery,
    webhook_attempt,
    mail_template,
    notification_preference,
    mail_message,
    mail_attempt,
    mail_received,
);

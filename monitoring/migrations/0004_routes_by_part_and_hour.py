import datetime
import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('meters', '0005_snapshots'),
        ('monitoring', '0003_maintenance_windows'),
    ]

    operations = [
        migrations.CreateModel(
            name='RouteState',
            fields=[
                ('route', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='state', serialize=False, to='monitoring.alertroute')),
                ('told_at', models.DateTimeField(null=True, verbose_name='last told')),
                ('failures', models.PositiveIntegerField(default=0, help_text='In a row, since it was last told.')),
                ('failing_since', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': "route's report",
                'verbose_name_plural': "routes' reports",
            },
        ),
        migrations.AddField(
            model_name='alert',
            name='severity',
            field=models.CharField(choices=[('critical', 'critical'), ('warning', 'warning'), ('notice', 'notice')], default='critical', max_length=10),
        ),
        migrations.AddField(
            model_name='alertroute',
            name='after_min',
            field=models.PositiveIntegerField(default=0, help_text='Minutes: this route is the next one, when the first was told in vain. 0: told from the start.', verbose_name='only when nobody looks after it for'),
        ),
        migrations.AddField(
            model_name='alertroute',
            name='areas',
            field=models.ManyToManyField(blank=True, related_name='+', to='meters.area', verbose_name='areas'),
        ),
        migrations.AddField(
            model_name='alertroute',
            name='components',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('networks', 'Zigbee networks and meters'), ('broker', 'MQTT broker'), ('worker', 'MQTT worker'), ('jobs', 'background jobs'), ('bookings', 'booking system'), ('storage', 'database, disks and Redis'), ('alerts', 'alerts and checks'), ('neighbours', 'what stands beside us')], max_length=20), blank=True, default=list, help_text='It is told of the chosen areas, and of the chosen parts. Nothing chosen: of everything.', size=None, verbose_name='parts'),
        ),
        migrations.AddField(
            model_name='alertroute',
            name='digest',
            field=models.CharField(blank=True, choices=[('', 'nothing: tell each at once'), ('notice', 'notices'), ('warning', 'warnings and notices')], help_text='Told together in one message a day. Something critical is always told at once.', max_length=10, verbose_name='collect'),
        ),
        migrations.AddField(
            model_name='alertroute',
            name='digest_at',
            field=models.TimeField(default=datetime.time(8, 0), help_text="When that message comes, by the campsite's clock.", verbose_name='collected until'),
        ),
        migrations.AddField(
            model_name='alertroute',
            name='wakes',
            field=models.BooleanField(default=True, help_text='Something critical is told outside of these hours, too. Switched off, it waits like the rest: then another route must be there for the night.', verbose_name='criticals at any time'),
        ),
        migrations.AlterField(
            model_name='alert',
            name='kind',
            field=models.CharField(choices=[('opened', 'it began'), ('again', 'it goes on'), ('worse', 'it got worse'), ('closed', 'it is over')], max_length=10, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='alert',
            name='number',
            field=models.PositiveIntegerField(default=0, help_text='So many of it went before to this route.'),
        ),
        migrations.AlterField(
            model_name='alertroute',
            name='to_time',
            field=models.TimeField(blank=True, help_text='What comes outside of these hours waits until they begin.', null=True, verbose_name='until'),
        ),
    ]
